"""What the pull request's labels say of its preview's configuration."""

from __future__ import annotations

from collections.abc import Collection

from previews.lifecycle.database_mode import database_mode

LONG_MIGRATION_LABEL = "preview-long-migration"
"""Says that a migration's long lock is meant: ``previews:migration.longLocksMeant``."""


def label_config(labels: Collection[str], *, living: str | None = None) -> dict[str, str]:
    """Keys of the program's configuration, by their paths, that the labels set.

    Pulumi keeps what was set once. So what only a label may allow is set in either case: without
    the label it is no longer allowed.

    Args:
        labels: The pull request's labels, as they are now.
        living: As in `database_mode`.

    Raises:
        PreviewsError: The labels contradict each other.
    """
    mode = database_mode(labels, living=living)
    return {
        **({} if mode is None else {"previews:database.mode": mode}),
        "previews:migration.longLocksMeant": str(LONG_MIGRATION_LABEL in labels).lower(),
    }
