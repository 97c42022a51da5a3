"""The objects of both stacks, rendered once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.manifests.rendering import both, objects


@pytest.fixture(scope="session")
def rendered() -> list[dict[str, Any]]:
    """Every Kubernetes object of both stacks."""
    return objects(both())


@pytest.fixture(scope="session")
def manifests(rendered: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in a file, as a linter reads it."""
    file = tmp_path_factory.mktemp("manifests") / "all.yaml"
    file.write_text(yaml.safe_dump_all(rendered, sort_keys=False))
    return file
