"""What is slow and the same for every test, done once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader
from hypothesis import settings

# Its limit of 200 ms for one example says more of the machine than of the code.
settings.register_profile("any-machine", parent=settings.default, deadline=None)
settings.load_profile("any-machine")


@pytest.fixture(scope="session", autouse=True)
def _no_machine_images() -> Iterator[None]:
    """Moto makes 1,300 for each EC2, and at each reset; no test starts a machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        yield


@pytest.fixture(scope="session", autouse=True)
def _descriptions_of_aws_are_read_once() -> Iterator[None]:
    """Each session of boto3 reads them again: a tenth of a second for each service."""
    read = JSONFileLoader().load_file

    @cache
    def once(path: str) -> Any:
        return read(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _loader, path: once(path))
        yield
