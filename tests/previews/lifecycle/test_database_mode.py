from __future__ import annotations

from pathlib import Path

import pytest

from infra.config.models import DatabaseMode
from previews.errors import PreviewsError
from previews.lifecycle.database_mode import LABELS, database_mode, project_mode


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
        database_mode([*LABELS])


@pytest.mark.parametrize("living", ["branch", "snapshot"])
def test_a_living_preview_keeps_the_database_that_it_has(living: str) -> None:
    assert database_mode([*LABELS], living=living) == living


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
    assert set(LABELS.values()) == {mode.value for mode in DatabaseMode}
