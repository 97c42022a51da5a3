"""Both kinds of stacks, declared once for all tests that only look at them."""

from __future__ import annotations

import pytest

from infra.stacks import main
from tests.infra.world import (
    CREATED_CLUSTER,
    PREVIEW_CONFIG,
    STAGING_CONFIG,
    Cloud,
    Deployment,
    deploy,
)


@pytest.fixture(scope="session")
def staging() -> Deployment:
    """Stack ``staging`` on the existing cluster ``lab``."""
    return deploy("staging", main, config=STAGING_CONFIG)


@pytest.fixture(scope="session")
def new_staging() -> Deployment:
    """Stack ``staging`` that makes network and cluster too."""
    return deploy("staging", main, config=STAGING_CONFIG | CREATED_CLUSTER)


@pytest.fixture(scope="session")
def preview(staging: Deployment) -> Deployment:
    """Stack ``pr-42``, for the first time."""
    return deploy("pr-42", main, config=PREVIEW_CONFIG, cloud=Cloud(staging=staging.outputs))


@pytest.fixture(scope="session")
def platform() -> Deployment:
    """Stack ``staging`` with databases in mode ``branch``."""
    return deploy("staging", main, config=STAGING_CONFIG | {"branches": {"enabled": True}})


@pytest.fixture(scope="session")
def branch(platform: Deployment) -> Deployment:
    """Stack ``pr-42`` in mode ``branch``, for the first time."""
    config = PREVIEW_CONFIG | {"database": {**PREVIEW_CONFIG["database"], "mode": "branch"}}
    return deploy("pr-42", main, config=config, cloud=Cloud(staging=platform.outputs))


@pytest.fixture(scope="session")
def data(platform: Deployment) -> Deployment:
    """Stack ``data-8``: a server that previews share."""
    config = {k: v for k, v in PREVIEW_CONFIG.items() if k != "expires"}
    return deploy("data-8", main, config=config, cloud=Cloud(staging=platform.outputs))
