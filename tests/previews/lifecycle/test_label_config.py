from __future__ import annotations

import pytest

from infra.config.models import PreviewConfig
from previews.errors import PreviewsError
from previews.lifecycle.label_config import LONG_MIGRATION_LABEL, label_config

MODE, MEANT = "previews:database.mode", "previews:migration.longLocksMeant"


@pytest.mark.parametrize(
    ("labels", "living", "config"),
    [
        ([], None, {MEANT: "false"}),
        (["preview"], None, {MEANT: "false"}),
        (["preview", "preview-long-migration"], None, {MEANT: "true"}),
        (["preview", "preview-long-migrations"], None, {MEANT: "false"}),
        (["preview-db-branch"], None, {MODE: "branch", MEANT: "false"}),
        (
            ["preview-long-migration", "preview-db-snapshot"],
            None,
            {MODE: "snapshot", MEANT: "true"},
        ),
        (["preview-db-branch"], "snapshot", {MODE: "snapshot", MEANT: "false"}),
        (["preview-long-migration"], "branch", {MODE: "branch", MEANT: "true"}),
    ],
)
def test_labels_set_keys(labels: list[str], living: str | None, config: dict[str, str]) -> None:
    assert label_config(labels, living=living) == config


def test_labels_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(PreviewsError, match="two modes at once"):
        label_config(["preview-db-branch", "preview-db-snapshot"])


def test_the_program_knows_the_keys() -> None:
    schema = PreviewConfig.model_json_schema(by_alias=True)
    for key in label_config(["preview-db-branch", LONG_MIGRATION_LABEL]):
        group, name = key.removeprefix("previews:").split(".")
        reference = schema["properties"][group]
        [model] = [d for d in (reference, *reference.get("allOf", ())) if "$ref" in d]
        assert name in schema["$defs"][model["$ref"].rpartition("/")[2]]["properties"]
