"""moto's EC2 without its catalogue of instance types."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from typing import Any

from moto.utilities import utils


@contextlib.contextmanager
def without_instance_types() -> Iterator[None]:
    """Keep the catalogue of instance types empty while the block imports moto's EC2.

    The catalogue of all regions takes 180 MB of memory, and the sandbox has no EC2 instances.
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
