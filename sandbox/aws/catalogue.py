"""moto's EC2 without what the sandbox has no use for."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from typing import Any

from moto.utilities import utils


@contextlib.contextmanager
def without_instance_types() -> Iterator[None]:
    """Import moto's EC2 in here: its catalogue of instance types stays empty.

    The catalogue of every region is 180 MB in memory, and the sandbox offers no
    EC2 instances.
    """
    load = utils.load_resource

    def load_resource(resource: str) -> Any:
        if resource.startswith("ec2/resources/instance_type_offerings"):
            return []
        if resource.startswith("ec2/resources/instance_types"):
            return {}
        return load(resource)

    utils.load_resource = load_resource
    try:
        yield
    finally:
        utils.load_resource = load
        gc.collect()
