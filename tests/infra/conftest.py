"""Both kinds of stacks, declared once for all tests that only look at them."""

from __future__ import annotations

import pytest

from infra.program import main
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
