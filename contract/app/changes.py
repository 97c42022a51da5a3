"""Files of a repository whose changes a preview has to show."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from contract.app.model import FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from contract.app.model import App


def first_relevant(app: App, folder: str, changed: Iterable[str]) -> str | None:
    """Return the first of the changed files that a preview depends on; None if none does.

    Args:
        app: The app.
        folder: Folder of its preview.yaml, relative to the repository's root.
        changed: Changed files, relative to the repository's root.
    """
    globs = [_pattern(posixpath.normpath(posixpath.join(folder, glob))) for glob in _globs(app)]
    return next((file for file in changed if any(glob.fullmatch(file) for glob in globs)), None)


def _globs(app: App) -> Iterator[str]:
    """Yield the paths of all images, and those of the files that count whatever is chosen."""
    for image in (app.image, *(web.image for web in app.web.values())):
        yield from image.paths or (".", image.context)
        yield image.dockerfile
        yield f"{image.dockerfile}.dockerignore"
        yield f"{image.context}/.dockerignore"
    yield FILE
    yield app.database.scrub
    # Without a folder of their own they stand among other files, for which `paths` speak.
    if app.tests is not None and app.tests.folder != ".":
        yield app.tests.folder
    if app.openapi is not None:
        yield app.openapi.file


def _pattern(glob: str) -> re.Pattern[str]:
    """Return what matches a path, and every file below it if it is a folder's."""
    if glob == ".":
        return re.compile(".*", re.DOTALL)
    *folders, last = glob.split("/")
    text = "".join("(?:[^/]+/)*" if one == "**" else f"{_segment(one)}/" for one in folders)
    text += ".+" if last == "**" else _segment(last)
    return re.compile(f"{text}(?:/.*)?", re.DOTALL)


def _segment(text: str) -> str:
    return re.escape(text).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
