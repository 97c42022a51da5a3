"""The generated parts of the documentation are up to date."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from contract.app.read import parse_app
from infra.config.base import Model
from infra.config.models import PlatformConfig, PreviewConfig
from tests.docs.diagram import boxes, mermaid
from tests.docs.generated import GUIDE, PREVIEW_YAML, ROOT, documents, stacks
from tests.infra.config.test_load import _fields
from tests.infra.world import Deployment


@pytest.fixture(scope="module")
def both() -> tuple[Deployment, Deployment]:
    return stacks()


def test_the_documents_hold() -> None:
    stale = [
        str(path.relative_to(ROOT))
        for path, text in documents().items()
        if not path.exists() or path.read_text() != text
    ]
    assert stale == [], "run: make docs"


def test_every_example_of_preview_yaml_is_accepted() -> None:
    examples = re.findall(
        r"^```yaml\n(.*?)^```", PREVIEW_YAML.read_text(), re.MULTILINE | re.DOTALL
    )
    assert len(examples) == 6
    for example in examples:
        parse_app(PREVIEW_YAML, example.encode())


def test_every_resource_is_in_the_picture(both: tuple[Deployment, Deployment]) -> None:
    """Except providers, stacks and other stacks' outputs, which are not drawn."""
    for stack in both:
        drawn = sum(sum(box.resources.values()) for box in boxes(stack))
        held = [r for r in stack.registrations if not r.type.startswith(("previews:", "pulumi:"))]
        assert drawn == len(held)


def test_no_arrow_follows_from_others_and_none_leads_back(
    both: tuple[Deployment, Deployment],
) -> None:
    for stack in both:
        waits_for = {box.urn: box.waits_for for box in boxes(stack)}

        def before(urn: str, known: Mapping[str, set[str]] = waits_for) -> set[str]:
            direct = known[urn]
            return direct.union(*(before(each) for each in direct))

        for urn, direct in waits_for.items():
            assert urn not in before(urn)
            for each in direct:
                others = direct - {each}
                assert not any(each in before(other) for other in others)


def test_the_picture_does_not_depend_on_the_order_of_registration(
    both: tuple[Deployment, Deployment],
) -> None:
    staging, preview = both
    turned = Deployment(tuple(reversed(staging.registrations)), staging.outputs, staging.cloud)
    assert mermaid({"staging": turned, "pr-42": preview}) == mermaid(
        {"staging": staging, "pr-42": preview}
    )


def keys(model: type[Model]) -> set[str]:
    return set(_fields(model))


def test_the_guide_names_no_key_that_is_not_there() -> None:
    text = GUIDE.read_text()
    sections = "|".join(sorted({key.partition(".")[0] for key in keys(PlatformConfig)}))
    named = set(re.findall(rf"(?:`|previews:)((?:{sections})\.[A-Za-z]+)", text))
    assert {"dns.zoneId", "cluster.apiCidrs", "database.deletionProtection"} <= named
    assert named - keys(PlatformConfig) - keys(PreviewConfig) == set()
