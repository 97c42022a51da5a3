from __future__ import annotations

from pathlib import Path

import pytest

from infra.config.models import DatabaseMode, PreviewConfig
from previews.errors import PreviewsError
from previews.lifecycle.label_config import (
    DATABASE_MODE_LABELS,
    LONG_MIGRATION_LABEL,
    database_mode,
    label_config,
    project_mode,
)

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
    assert label_config(labels, current=living) == config


def test_labels_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(PreviewsError, match="two modes"):
        label_config(["preview-db-branch", "preview-db-snapshot"])


def test_the_program_knows_the_keys() -> None:
    schema = PreviewConfig.model_json_schema(by_alias=True)
    for key in label_config(["preview-db-branch", LONG_MIGRATION_LABEL]):
        group, name = key.removeprefix("previews:").split(".")
        reference = schema["properties"][group]
        [model] = [d for d in (reference, *reference.get("allOf", ())) if "$ref" in d]
        assert name in schema["$defs"][model["$ref"].rpartition("/")[2]]["properties"]


@pytest.mark.parametrize(
    ("labels", "mode"),
    [
        (["preview"], None),
        (["preview", "preview-db-branch"], "branch"),
        (["preview-db-snapshot", "preview"], "snapshot"),
    ],
)
def test_labels_choose_the_mode(labels: list[str], mode: str | None) -> None:
    assert database_mode(labels) == mode


def test_both_at_once_are_refused() -> None:
    with pytest.raises(PreviewsError, match="preview-db-branch and preview-db-snapshot"):
        database_mode([*DATABASE_MODE_LABELS])


@pytest.mark.parametrize("living", ["branch", "snapshot"])
def test_a_living_preview_keeps_the_database_that_it_has(living: str) -> None:
    assert database_mode([*DATABASE_MODE_LABELS], current=living) == living


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("name: previews", None),
        ("config:", None),
        ("config: {}", None),
        ("config: {service.cpu: {default: 1}}", None),
        ("config: {database.mode: {type: string}}", None),
        ("config: {database.mode: {default: branch}}", "branch"),
        ("config: {database.mode: {value: snapshot, default: branch}}", "snapshot"),
        ("config: {'previews:database.mode': branch}", "branch"),
        ("config: {'previews:database.mode': branch, database.mode: snapshot}", "branch"),
        ("config: {'previews:database.mode': {type: string}, database.mode: branch}", "branch"),
    ],
)
def test_a_project_may_choose_for_every_stack(text: str, mode: str | None, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text(text)
    assert project_mode(tmp_path) == mode


def test_the_program_knows_the_modes() -> None:
    assert set(DATABASE_MODE_LABELS.values()) == {mode.value for mode in DatabaseMode}
