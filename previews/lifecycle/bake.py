"""Definition of the builds of an app's images, for `docker buildx bake`.

A job without any credential builds them from the pull request's commit. It gets this definition
from the default branch's code, and needs nothing else of it. The values are a pull request's: none
of them may become an expression, another context than a folder of the repository, or an output.
"""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contract.app.placeholders import fill, placeholders
from previews.errors import PreviewsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from contract.app.containers import Image
    from contract.app.model import App
    from contract.preview import Preview

FOLDER = "../images"
"""Folder of the archives, relative to the checkout in which the build is run: beside it, where no
file of the pull request is taken for one."""

OWN = "app"
"""Name of the build of the app's own image."""

_URL_PLACEHOLDERS = frozenset({"app_host", "app_url"})
# What buildx takes for a repository, a registry or another build, even where it is a folder's name.
_ELSEWHERE = re.compile(r"[^/]*[:@].*|github\.com(/.*)?|-", re.IGNORECASE | re.DOTALL)
_DOMAIN = re.compile(r"(?P<scheme>https?://)?(?P<host>[^:]+)(?P<port>:[0-9]+)?")


def target_of(part: str) -> str:
    """Return the name of the build of a further web service's image, and of its archive."""
    return f"web-{part}"


@dataclass(frozen=True)
class Builds:
    """Builds of all images of a commit.

    Attributes:
        app: The app's description.
        preview: The preview that the images are for.
        folder: Folder of the app, relative to the repository's root.
        commit: The commit.
        source: URL of the repository's page.
        domain: As in `Settings`.
        scope: Staging's part of the cache, which the builds read, and none writes.
    """

    app: App
    preview: Preview
    folder: str
    commit: str
    source: str
    domain: str
    scope: str

    def definition(self) -> str:
        """Return the definition, JSON that HCL reads.

        Raises:
            PreviewsError: A build has a path out of the repository, or needs a domain that is not
                set.
        """
        targets = {name: self._target(name, key, image) for name, key, image in self._images()}
        document = {"group": {"default": {"targets": [*targets]}}, "target": targets}
        return json.dumps(document, indent=2, ensure_ascii=True) + "\n"

    def _images(self) -> Iterator[tuple[str, str, Image]]:
        """Yield each build: its name, its key in preview.yaml, and how it is done."""
        yield OWN, "image", self.app.image
        for part, web in self.app.web.items():
            yield target_of(part), f"web.{part}.image", web.image

    def _target(self, name: str, key: str, image: Image) -> dict[str, Any]:
        context = self._path(f"{key}.context", image.context)
        dockerfile = self._path(f"{key}.dockerfile", image.dockerfile)
        values = {} if name == OWN else self._placeholders(key, image)
        arguments = {
            # No placeholder stands in the app's own, in which braces are braces.
            argument: value if name == OWN else fill(value, values)
            for argument, value in image.args.items()
        }
        labels = {
            "org.opencontainers.image.revision": self.commit,
            "org.opencontainers.image.source": self.source,
            # No two previews share a digest: one's removal never takes another's image.
            "previews.stack": self.preview.name,
        }
        own = {"COMMIT": self.commit, "SOURCE": self.source}
        return {
            "context": _literal(context),
            # Bake reads it relative to the context.
            "dockerfile": _literal(posixpath.relpath(dockerfile, context)),
            **({"target": _literal(image.target)} if image.target else {}),
            "args": _literals({**arguments, **own}),
            "labels": _literals(labels),
            "platforms": ["linux/amd64"],
            "cache-from": [f"type=gha,scope={self.scope}"],
            "attest": ["type=provenance,mode=max", "type=sbom"],
            "output": [f"type=oci,dest={FOLDER}/{name}.tar"],
        }

    def _path(self, key: str, value: str) -> str:
        """Return a path relative to the repository's root, which buildx takes for a local one."""
        path = posixpath.normpath(posixpath.join(self.folder, value))
        outside = posixpath.isabs(path) or path.split("/")[0] == ".."
        if outside or _ELSEWHERE.fullmatch(path):
            raise PreviewsError(
                "image-path",
                f"preview.yaml, {key}",
                why=f"{path!r} is no path that buildx reads within the repository",
                remedy="name a folder or file of the repository, whose first part has no : or @.",
            )
        return path

    def _placeholders(self, key: str, image: Image) -> Mapping[str, str]:
        stack = self.preview.stack
        used = {name for value in image.args.values() for name in placeholders(value)}
        values = {
            "commit": self.commit,
            "pull_request": str(self.preview.number),
            "environment": stack.kind.value,
            "stack": stack.value,
        }
        if used & _URL_PLACEHOLDERS:
            values |= self._address(key)
        return values

    def _address(self, key: str) -> Mapping[str, str]:
        domain = _DOMAIN.fullmatch(self.domain)
        if domain is None:
            raise PreviewsError(
                "image-domain",
                f"preview.yaml, {key}.args",
                why="an argument has the app's URL, and PREVIEWS_DOMAIN is not set; the platform"
                " itself, which knows it, is not asked before an image is built",
                remedy="set the repository's variable PREVIEWS_DOMAIN to the domain of the"
                " previews: gh variable set PREVIEWS_DOMAIN --body preview.example.com.",
            )
        host = self.preview.stack.host(domain["host"])
        return {
            "app_host": host,
            "app_url": f"{domain['scheme'] or 'https://'}{host}{domain['port'] or ''}",
        }


def _literals(values: Mapping[str, str]) -> dict[str, str]:
    return {name: _literal(value) for name, value in values.items()}


def _literal(text: str) -> str:
    """Return a text that HCL evaluates to the given one.

    A text in JSON is a template to it, in which `${` and `%{` begin an expression. Neither can
    come about where each of their first characters is itself an expression.
    """
    return "".join(f'${{"{one}"}}' if one in "$%" else one for one in text)
