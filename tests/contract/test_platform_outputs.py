"""What is accepted as staging's outputs, and what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from contract.platform_outputs import PlatformOutputs, PlatformOutputsError
from tests.contract.platform import PLATFORM


def published(**changes: Any) -> dict[str, Any]:
    return {**PLATFORM.model_dump(), **changes}


def test_what_is_published_is_read() -> None:
    assert PlatformOutputs.read(published()) == PLATFORM
    assert PLATFORM.images.repository == "previews"


def test_staging_may_be_newer() -> None:
    cluster = {**PLATFORM.cluster.model_dump(), "news": 1}
    assert PlatformOutputs.read(published(news=1, cluster=cluster)) == PLATFORM


def test_numbers_of_another_stack_arrive_as_floats() -> None:
    ingress = {**PLATFORM.ingress.model_dump(), "port": 443.0}
    port = PlatformOutputs.read(published(ingress=ingress)).ingress.port
    assert (port, type(port)) == (443, int)


@pytest.mark.parametrize(
    ("ingress", "lacking"),
    [
        ({"port": 443.5}, "ingress.port"),
        ({"port": "443"}, "ingress.port"),
        ({"annotations": {"key": 1}}, "ingress.annotations.key"),
        ({"source_cidrs": ["10.0.0.0/8", None]}, "ingress.source_cidrs.1"),
    ],
)
def test_another_type_is_refused(ingress: dict[str, Any], lacking: str) -> None:
    broken = {**PLATFORM.ingress.model_dump(), **ingress}
    with pytest.raises(PlatformOutputsError) as caught:
        PlatformOutputs.read(published(ingress=broken))
    assert caught.value.lacking == (lacking,)


@pytest.mark.parametrize("value", [None, {}, "text", []])
def test_nothing_published_lacks_nothing_by_name(value: object) -> None:
    with pytest.raises(PlatformOutputsError, match="it is empty") as caught:
        PlatformOutputs.read(value)
    assert caught.value.lacking == ()


def test_all_that_is_lacking_is_named() -> None:
    partial = published(domain="")
    del partial["region"]
    with pytest.raises(PlatformOutputsError, match="it lacks region, domain"):
        PlatformOutputs.read(partial)
