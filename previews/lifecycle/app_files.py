"""An app's files at a commit of a pull request, without a checkout of it.

They are data, and nothing of them is run: preview.yaml, and what it names that a deployment reads.
The rules of the scrub are none of that: a preview's data is scrubbed by the default branch's.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from contract.app.model import FILE
from contract.stack_name import AppName
from previews.app import read_description
from previews.settings import Settings, other_app

if TYPE_CHECKING:
    from pathlib import Path

    from contract.app.model import App
    from previews.github import GitHub


@dataclass(frozen=True)
class AppFiles:
    """Files of an app at a commit.

    Attributes:
        github: The app's repository.
        settings: Folder and name of the app.
        commit: The commit.
        root: An empty folder, which stands for the repository's root.
    """

    github: GitHub
    settings: Settings
    commit: str
    root: Path

    def fetch_description(self) -> App:
        """Fetch preview.yaml alone, and return the app that it describes.

        Raises:
            PreviewsError: It can't be read, is wrong, or describes another app.
        """
        # By this the readers of the files know how far a path may lead.
        (self.root / ".git").mkdir(parents=True, exist_ok=True)
        self._fetch(FILE)
        app = read_description(self._folder)
        if app.app != self.settings.app_name.value:
            raise other_app(FILE, AppName(app.app), self.settings.environment)
        return app

    def fetch(self) -> Settings:
        """Fetch all files that a deployment reads; return settings with their folder.

        Raises:
            PreviewsError: As in `fetch_description`, or another file can't be read.
        """
        app = self.fetch_description()
        if app.openapi is not None:
            self._fetch(app.openapi.file)
        name = self.settings.app_name
        return self.settings.model_copy(
            update={
                "app": self._folder,
                "repository_folder": self.settings.folder_in_repository,
                "environment": self.settings.environment or f"{name.prefix}preview",
            }
        )

    def config(self) -> dict[str, str]:
        """Return the configuration that the program would otherwise read from a checkout.

        Raises:
            PreviewsError: GitHub has no such commit.
        """
        expires = self.github.commits.time(self.commit) + timedelta(days=self.settings.ttl_days)
        return {
            "previews:source": str(self._folder),
            "previews:commit": self.commit,
            "previews:repository": self.settings.github_repository,
            "previews:expires": expires.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    @property
    def _folder(self) -> Path:
        return (self.root / self.settings.folder_in_repository).resolve()

    def _fetch(self, name: str) -> None:
        path = posixpath.normpath(posixpath.join(self.settings.folder_in_repository, name))
        content = self.github.contents.file(path, self.commit)
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
