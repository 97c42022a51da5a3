from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.providers.engine import World, running


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One sandbox without a node for all tests with a real engine."""
    with running(tmp_path_factory.mktemp("sandbox")) as made:
        yield made
