"""Archives of images that a job without credentials built, checked and pushed to the registry.

An archive is an OCI layout in a tar file, of a pull request's code, and so an attacker's. What it
says of itself is checked before anything with a credential reads it: it has regular files alone,
and each blob is the one that its manifest names.

It comes as an artifact, by a name that any job of the run can give to another one. So each archive
has to have the digest that the job which built it printed, in an output that no other job sets.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import subprocess
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from previews.errors import PreviewsError
from previews.lifecycle.bake import OWN, target_of
from previews.output import progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from contract.app.model import App
    from contract.preview import Preview
    from previews.settings import Settings

_MOST_MEMBERS = 2000
_MOST_BYTES = 16 * 1024**3
_MOST_DOCUMENT = 4 * 1024**2
_CHUNK = 1024**2
_DIGEST = r"^sha256:[0-9a-f]{64}$"
_MEMBER = re.compile(r"oci-layout|index\.json|manifest\.json|blobs/sha256/[0-9a-f]{64}")
_FOLDERS = frozenset({"blobs", "blobs/sha256"})
_INDEXES = frozenset(
    {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
)
_MANIFESTS = frozenset(
    {
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    }
)
_SHOWN_LINES = 15


@dataclass(frozen=True)
class Images:
    """Images of a commit in the registry, each as ``repository@digest``.

    Attributes:
        own: The app's own.
        web: Those of further web services, by name.
    """

    own: str
    web: dict[str, str] = field(default_factory=dict)

    def all(self) -> list[str]:
        """Return all of them, the app's own first."""
        return [self.own, *self.web.values()]

    def config(self) -> dict[str, str]:
        """Return the configuration by which the program deploys them."""
        web = {f"previews:webImages.{part}": image for part, image in self.web.items()}
        return {"previews:image": self.own, **web}


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, alias_generator=to_camel)


class _Descriptor(_Model):
    media_type: str
    digest: Annotated[str, Field(pattern=_DIGEST)]
    size: Annotated[int, Field(ge=0, le=_MOST_BYTES)]
    # By these a reader would get the blob from elsewhere.
    urls: Annotated[list[str], Field(max_length=0)] = []


class _Layout(_Model):
    image_layout_version: Literal["1.0.0"]


class _Index(_Model):
    schema_version: Literal[2]
    manifests: Annotated[list[_Descriptor], Field(min_length=1, max_length=20)]


class _Manifest(_Model):
    schema_version: Literal[2]
    config: _Descriptor
    layers: Annotated[list[_Descriptor], Field(max_length=500)]


class _WrongError(Exception):
    """An archive that is not as an OCI layout has to be."""


def push_images(
    folder: Path,
    app: App,
    *,
    digests: Mapping[str, str],
    preview: Preview,
    commit: str,
    repository: str,
    settings: Settings,
) -> Images:
    """Check the archives of an app's images, then push each; nothing is pushed if one is wrong.

    Args:
        folder: Folder with ``app.tar``, and ``web-<name>.tar`` for each further web service.
        app: The app's description.
        digests: SHA-256 of each file by its name, in hexadecimal, as the job printed them that
            built the images.
        preview: The preview.
        commit: The commit that they were built from.
        repository: URL of the repository to push to, without a tag.
        settings: The run, which is part of the tags.

    Raises:
        PreviewsError: An archive is missing, wrong or not the one that was built, or the registry
            refuses it.
    """
    if not repository:
        raise PreviewsError(
            "image-repository",
            "image repository of the platform",
            why="staging's outputs name none (platform.images.repositoryUrl)",
            remedy="bring staging up from the default branch: `pulumi up -s staging`.",
        )
    parts = {"": OWN, **{part: target_of(part) for part in app.web}}
    files = {part: folder / f"{name}.tar" for part, name in parts.items()}
    _require_built(folder, {file.name for file in files.values()}, digests)
    read = {part: read_digest(file) for part, file in files.items()}
    unique = _unique(commit, settings)
    for part, file in files.items():
        _push(file, f"{repository}:{preview.stack.image_tag(unique, part)}")
    references = {part: f"{repository}@{digest}" for part, digest in read.items()}
    return Images(references.pop(""), references)


def _require_built(folder: Path, names: AbstractSet[str], digests: Mapping[str, str]) -> None:
    """Check that a folder has the archives that were built, each of them and nothing else.

    Raises:
        PreviewsError: One is missing, one is too many, or one is another.
    """
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    wrong = [
        *(f"{name} is missing" for name in names - there),
        *(f"{name} is there, which nothing describes" for name in there - names),
        *(f"{name} has no digest" for name in names - digests.keys()),
        *(f"{name} has a digest, and nothing describes it" for name in digests.keys() - names),
        *_changed(folder, {name: digests[name] for name in names & there & digests.keys()}),
    ]
    if wrong:
        raise PreviewsError(
            "image-digests",
            f"image archives in {folder}",
            why="; ".join(sorted(wrong)) + "; expected those that the job `build` printed digests"
            " of, one for each image of preview.yaml",
            remedy="run the workflow again from its first job; if it fails again, another job of"
            " the run replaces the artifact: read what the pull request runs there.",
        )


def _changed(folder: Path, digests: Mapping[str, str]) -> Iterator[str]:
    for name, digest in digests.items():
        file = folder / name
        if file.is_symlink() or not file.is_file():
            yield f"{name} is no regular file"
            continue
        with file.open("rb") as content:
            if hashlib.file_digest(content, "sha256").hexdigest() != digest:
                yield f"{name} has another content than the one that was built"


def read_digest(file: Path) -> str:
    """Return the digest of the one image of an archive, whose blobs are checked.

    Raises:
        PreviewsError: The archive is missing or wrong.
    """
    try:
        with _opened(file) as archive:
            return _Archive(archive).digest()
    except FileNotFoundError as error:
        raise _wrong(file, "there is no such file") from error
    except _WrongError as error:
        raise _wrong(file, str(error)) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise _wrong(file, f"{error.title.lstrip('_')}, {where}: {first['msg']}") from error
    except (OSError, tarfile.TarError, ValueError, RecursionError) as error:
        raise _wrong(file, f"it can't be read: {error}") from error


def _wrong(file: Path, why: str) -> PreviewsError:
    return PreviewsError(
        "image-archive",
        f"image archive {file}",
        why=why,
        remedy="run the workflow again; if it fails again, compare the job that builds the images"
        " with the platform's own: it writes an OCI archive for each of them.",
    )


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    if file.is_symlink() or not file.exists():
        raise FileNotFoundError(file)
    # Compressed, it could be of any size.
    with tarfile.open(file, "r:") as archive:
        yield archive


class _Archive:
    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._members = _members(archive)

    def digest(self) -> str:
        _Layout.model_validate_json(self._read("oci-layout"))
        index = _Index.model_validate_json(self._read("index.json"))
        if len(index.manifests) != 1:
            raise _WrongError(f"it has {len(index.manifests)} images, expected one")
        [image] = index.manifests
        if image.media_type in _INDEXES:
            for one in _Index.model_validate_json(self._document(image)).manifests:
                self._check_image(one)
        else:
            self._check_image(image)
        return image.digest

    def _check_image(self, image: _Descriptor) -> None:
        if image.media_type not in _MANIFESTS:
            raise _WrongError(f"{image.digest} is of type {image.media_type!r}, expected an image")
        manifest = _Manifest.model_validate_json(self._document(image))
        for blob in (manifest.config, *manifest.layers):
            self._check_blob(blob)

    def _document(self, blob: _Descriptor) -> bytes:
        self._check_blob(blob)
        return self._read(_name_of(blob))

    def _check_blob(self, blob: _Descriptor) -> None:
        """Check that a blob is the one that its descriptor names, by size and by hash."""
        name = _name_of(blob)
        member = self._member(name)
        if member.size != blob.size:
            raise _WrongError(f"{name} has {member.size} bytes, expected {blob.size}")
        digest = hashlib.sha256()
        with self._content(member) as content:
            while chunk := content.read(_CHUNK):
                digest.update(chunk)
        if f"sha256:{digest.hexdigest()}" != blob.digest:
            raise _WrongError(f"{name} has another content than its name says")

    def _read(self, name: str) -> bytes:
        member = self._member(name)
        if member.size > _MOST_DOCUMENT:
            raise _WrongError(f"{name} has {member.size} bytes, at most {_MOST_DOCUMENT} are read")
        with self._content(member) as content:
            return content.read()

    def _member(self, name: str) -> tarfile.TarInfo:
        if name not in self._members:
            raise _WrongError(f"it has no {name}")
        return self._members[name]

    def _content(self, member: tarfile.TarInfo) -> IO[bytes]:
        content = self._archive.extractfile(member)
        if content is None:
            raise _WrongError(f"{member.name} is no file")
        return content


def _name_of(blob: _Descriptor) -> str:
    return f"blobs/{blob.digest.replace(':', '/')}"


def _members(archive: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    """Return the files of an archive by name, of which it has none but those of a layout."""
    found: dict[str, tarfile.TarInfo] = {}
    size = 0
    for count, member in enumerate(archive):
        if count >= _MOST_MEMBERS:
            raise _WrongError(f"it has more than {_MOST_MEMBERS} members")
        if member.isdir() and member.name in _FOLDERS:
            continue
        if member.type not in {tarfile.REGTYPE, tarfile.AREGTYPE} or member.issparse():
            raise _WrongError(f"{member.name!r} is no regular file")
        if not _MEMBER.fullmatch(member.name):
            raise _WrongError(f"{member.name!r} is no file of an OCI layout")
        if member.name in found:
            raise _WrongError(f"it has {member.name} twice")
        size += member.size
        if size > _MOST_BYTES:
            raise _WrongError(f"it has more than {_MOST_BYTES // 1024**3} GiB")
        found[member.name] = member
    return found


def _unique(commit: str, settings: Settings) -> str:
    """Return a commit with its run: tags are immutable, and another build differs."""
    if settings.github_run_id is None:
        return f"{commit}-{secrets.token_hex(4)}"
    return f"{commit}-{settings.github_run_id}-{settings.github_run_attempt}"


def _push(file: Path, destination: str) -> None:
    progress(f"pushing {file.name} to {destination}")
    command = ["skopeo", "copy", "--all", "--preserve-digests"]
    try:
        result = subprocess.run(
            [*command, f"oci-archive:{file}", f"docker://{destination}"],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
    except FileNotFoundError as error:
        raise PreviewsError(
            "skopeo-missing",
            f"image {destination}",
            why="skopeo, which pushes it, is not installed",
            remedy="install it on the runner: sudo apt-get install skopeo.",
        ) from error
    if result.returncode:
        lines = (result.stderr or result.stdout).strip().splitlines()[-_SHOWN_LINES:]
        raise PreviewsError(
            "image-push",
            f"image {destination}",
            why=f"skopeo ended with {result.returncode}: " + "\n".join(lines),
            remedy="check that the run is logged in to the registry, and that its role may push"
            " there; then run it again.",
        )
