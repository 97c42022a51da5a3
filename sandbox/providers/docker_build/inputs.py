"""The inputs of ``docker-build:index:Image``: which there are, and what they amount to.

Left out is what a build here can't honour, so that it is refused by its name: ``addHosts``,
``builder``, ``cacheFrom``, ``cacheTo``, ``exports``, ``registries``, ``secrets``, ``ssh``. The
sandbox has no BuildKit and no registry that asks for a password.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sandbox.containers.context import BuildContext
from sandbox.containers.dockerfile import parse
from sandbox.containers.image_config import architecture
from sandbox.containers.oci import Reference, parse_reference
from sandbox.errors import SandboxError
from sandbox.providers.inputs import Input, Problem, Schema, Type
from sandbox.providers.values import Properties, has_unknown

CONTEXT_HASH: Final = "contextHash"
"""Recorded with the inputs, so that a changed file shows as a change of the resource."""

SCHEMA: Final[Schema] = {
    "buildArgs": Input(Type.MAP),
    # A preview builds nothing here.
    "buildOnPreview": Input(Type.BOOLEAN, allowed=(False,)),
    "context": Input(Type.MAP, fields={"location": Input(required=True), "named": Input(Type.MAP)}),
    CONTEXT_HASH: Input(),
    "dockerfile": Input(Type.MAP, fields={"location": Input(), "inline": Input()}),
    "exec": Input(Type.BOOLEAN, allowed=(False,)),
    "labels": Input(Type.MAP),
    "load": Input(Type.BOOLEAN, allowed=(False,)),
    "network": Input(allowed=("default", "host")),
    "noCache": Input(Type.BOOLEAN),
    "platforms": Input(Type.LIST),
    "pull": Input(Type.BOOLEAN, allowed=(False,)),
    "push": Input(Type.BOOLEAN, required=True, allowed=(True,)),
    "tags": Input(Type.LIST, required=True),
    "target": Input(),
}


@dataclass(frozen=True)
class BuildInputs:
    """Checked inputs, with paths made absolute.

    Attributes:
        dockerfile: The file, or its text.
        tags: Where to push.
    """

    dockerfile: Path | str
    context: Path
    named: Mapping[str, Path]
    build_args: Mapping[str, str]
    labels: Mapping[str, str]
    target: str | None
    use_cache: bool
    tags: tuple[Reference, ...]

    @classmethod
    def read(cls, inputs: Properties, folder: Path) -> BuildInputs:
        """Reads known inputs; relative paths are relative to ``folder``.

        Raises:
            SandboxError: For a tag that can't be read.
        """
        described = inputs.get("context") or {}
        context = folder / described.get("location", ".")
        named = described.get("named") or {}
        return cls(
            dockerfile=_dockerfile(inputs.get("dockerfile") or {}, context, folder),
            context=context,
            named={name: folder / _location(value) for name, value in named.items()},
            build_args=inputs.get("buildArgs") or {},
            labels=inputs.get("labels") or {},
            target=inputs.get("target") or None,
            use_cache=not inputs.get("noCache"),
            tags=tuple(parse_reference(tag) for tag in inputs.get("tags") or ()),
        )

    def context_hash(self) -> str:
        """Changes with the Dockerfile, and with any file that it may copy.

        Raises:
            SandboxError: When they can't be read.
        """
        path = self.dockerfile if isinstance(self.dockerfile, Path) else None
        digest = hashlib.sha256(_text(self.dockerfile).encode())
        digest.update(BuildContext(self.context, path).digest().encode())
        for name, folder in sorted(self.named.items()):
            digest.update(f"{name}:{BuildContext(folder).digest()}".encode())
        return digest.hexdigest()


def invalid(inputs: Properties, folder: Path) -> list[Problem]:
    """What the schema can't tell: what is wrong with paths, the Dockerfile, tags and platforms."""
    found = [*_bad_platforms(inputs), *_bad_texts(inputs), *_bad_tags(inputs)]
    described = inputs.get("dockerfile") or {}
    if described.get("location") and described.get("inline"):
        found.append(Problem("dockerfile", "give location or inline, not both"))
    if not has_unknown([inputs.get(name) for name in ("context", "dockerfile")]):
        found += _unreadable(inputs, folder)
    return found


def _bad_platforms(inputs: Properties) -> Iterator[Problem]:
    own = f"linux/{architecture()}"
    for index, platform in enumerate(inputs.get("platforms") or ()):
        if platform != own and not has_unknown(platform):
            yield Problem(f"platforms[{index}]", f"this machine builds {own} only")


def _bad_texts(inputs: Properties) -> Iterator[Problem]:
    for name in ("buildArgs", "labels"):
        texts = inputs.get(name)
        for key, value in texts.items() if isinstance(texts, Mapping) else ():
            if not isinstance(value, str) and not has_unknown(value):
                yield Problem(f"{name}.{key}", "must be a string")


def _bad_tags(inputs: Properties) -> Iterator[Problem]:
    tags = inputs.get("tags")
    if tags == []:
        yield Problem("tags", "name at least one tag to push to")
    for index, tag in enumerate(tags if isinstance(tags, list) else ()):
        if has_unknown(tag):
            continue
        try:
            reference = parse_reference(str(tag))
        except SandboxError as error:
            yield Problem(f"tags[{index}]", error.why)
            continue
        if reference.digest or "/" not in reference.repository:
            yield Problem(f"tags[{index}]", "expected <registry>/<repository>:<tag>")


def _unreadable(inputs: Properties, folder: Path) -> list[Problem]:
    build = BuildInputs.read({**inputs, "tags": []}, folder)
    if not build.context.is_dir():
        return [Problem("context.location", f"{build.context} is no folder")]
    try:
        parse(_text(build.dockerfile))
    except SandboxError as error:
        return [Problem("dockerfile", str(error))]
    return []


def _dockerfile(described: Mapping[str, Any], context: Path, folder: Path) -> Path | str:
    if described.get("inline"):
        return str(described["inline"])
    location = described.get("location")
    return folder / location if location else context / "Dockerfile"


def _location(value: Any) -> str:
    if isinstance(value, Mapping) and isinstance(value.get("location"), str):
        return str(value["location"])
    raise SandboxError(
        "context.named", why="expected {name: {location: folder}}", remedy="correct the input"
    )


def _text(dockerfile: Path | str) -> str:
    if isinstance(dockerfile, str):
        return dockerfile
    try:
        return dockerfile.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SandboxError(
            f"Dockerfile {dockerfile}", why=str(error), remedy="correct dockerfile.location"
        ) from error
