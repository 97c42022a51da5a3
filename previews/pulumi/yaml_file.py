"""YAML files of Pulumi that people write: ``Pulumi.yaml`` and ``Pulumi.<stack>.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import yaml

from previews.errors import PreviewsError


def read_mapping(file: Path) -> dict[str, Any]:
    """Return the content of a file; nothing for an empty one.

    Raises:
        PreviewsError: It can't be read, or is no mapping.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        # PyYAML leaves wrong dates and numbers to Python's own errors.
        raise _unreadable(file, " ".join(str(error).split())) from error
    if content is not None and not isinstance(content, dict):
        raise _unreadable(file, "expected a mapping of keys to values")
    return cast("dict[str, Any]", content or {})


def _unreadable(file: Path, why: str) -> PreviewsError:
    return PreviewsError(
        "pulumi-file",
        str(file),
        why=f"it can't be read: {why}",
        remedy="correct it; `git diff` shows what was changed.",
    )
