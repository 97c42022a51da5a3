"""Configuration of a preview that the pull request's labels set."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from previews.errors import PreviewsError
from previews.pulumi.yaml_file import read_mapping

LONG_MIGRATION_LABEL = "preview-long-migration"
"""Permits a migration that holds a lock for long: ``previews:migration.longLocksMeant``."""

DATABASE_MODE_LABELS: Mapping[str, str] = {
    "preview-db-branch": "branch",
    "preview-db-snapshot": "snapshot",
}
"""Values of ``previews:database.mode`` by the label that requests each."""


def label_config(labels: Collection[str], *, current: str | None = None) -> dict[str, str]:
    """Return the configuration keys, by their paths, that the labels set.

    Pulumi keeps a value once it is set. So a key that only a label may permit is set without the
    label as well, to the value that forbids it.

    Args:
        labels: The pull request's labels, as they are now.
        current: As in `database_mode`.

    Raises:
        PreviewsError: The labels contradict each other.
    """
    mode = database_mode(labels, current=current)
    return {
        **({} if mode is None else {"previews:database.mode": mode}),
        "previews:migration.longLocksMeant": str(LONG_MIGRATION_LABEL in labels).lower(),
    }


def database_mode(labels: Collection[str], *, current: str | None = None) -> str | None:
    """Return the mode of the preview's database; None for the program's default.

    An existing preview keeps its mode: another mode would be another database, and its data
    stays across pushes.

    Args:
        labels: The pull request's labels.
        current: Mode of the preview that is up, from its output ``databaseMode``.

    Raises:
        PreviewsError: The labels request both modes.
    """
    if current is not None:
        return current
    requested = {mode for label, mode in DATABASE_MODE_LABELS.items() if label in labels}
    if len(requested) > 1:
        raise PreviewsError(
            "database-mode",
            "labels of the pull request",
            why=f"they request two modes: {' and '.join(sorted(DATABASE_MODE_LABELS))}",
            remedy="remove one of them.",
        )
    return next(iter(requested), None)


def project_mode(project: Path) -> str | None:
    """Return the mode that ``Pulumi.yaml`` sets for every stack; None for the program's default.

    Args:
        project: Folder of ``Pulumi.yaml``.
    """
    config = read_mapping(project / "Pulumi.yaml").get("config") or {}
    for key in ("previews:database.mode", "database.mode"):
        value = config.get(key)
        if isinstance(value, Mapping):
            value = value.get("value", value.get("default"))
        if value is not None:
            return str(value)
    return None
