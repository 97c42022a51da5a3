"""Where a preview's data comes from, as the pull request's labels ask."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import yaml

from previews.errors import PreviewsError

LABELS: Mapping[str, str] = {
    "preview-db-branch": "branch",
    "preview-db-snapshot": "snapshot",
}
"""Labels, and the value of ``previews:database.mode`` that each asks for."""


def database_mode(labels: Collection[str], *, living: str | None = None) -> str | None:
    """The mode that a preview is to have; None for the program's own default.

    A living preview keeps the one that it has: another one would be another database, and data
    is pinned across pushes.

    Args:
        labels: The pull request's labels.
        living: The mode of the preview that is up, from its output ``databaseMode``.

    Raises:
        PreviewsError: The labels ask for both.
    """
    if living is not None:
        return living
    asked = {mode for label, mode in LABELS.items() if label in labels}
    if len(asked) > 1:
        raise PreviewsError(
            "database-mode",
            "labels of the pull request",
            why=f"they ask for two modes at once: {' and '.join(sorted(LABELS))}",
            remedy="take one of them off.",
        )
    return next(iter(asked), None)


def project_mode(project: Path) -> str | None:
    """The mode that ``Pulumi.yaml`` gives every stack; None for the program's own default.

    Args:
        project: The folder of ``Pulumi.yaml``.
    """
    declared = yaml.safe_load((project / "Pulumi.yaml").read_text()).get("config") or {}
    for key in ("previews:database.mode", "database.mode"):
        said = declared.get(key)
        if isinstance(said, Mapping):
            said = said.get("value", said.get("default"))
        if said is not None:
            return str(said)
    return None
