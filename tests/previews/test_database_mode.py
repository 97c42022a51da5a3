from __future__ import annotations

import pytest

from infra.config_models import DatabaseMode
from previews.database_mode import LABELS, database_mode
from previews.errors import PreviewsError


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


def test_the_program_knows_the_modes() -> None:
    assert set(LABELS.values()) == {mode.value for mode in DatabaseMode}
