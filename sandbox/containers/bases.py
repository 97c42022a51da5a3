"""Base images: what stands for each image that a Dockerfile names in FROM or ``--from``.

No image is downloaded. A base is this machine (``machine.py``), with another Python or Node.js at
``/usr/local`` where the image has one, or nothing for ``scratch``. What differs from the real image
is told by a note. An image that nothing here can stand for is refused.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from sandbox.containers import interpreters, toolchains
from sandbox.containers.interpreters import Interpreter
from sandbox.containers.machine import cache_folder
from sandbox.containers.oci import parse_reference
from sandbox.containers.runtime import DEFAULT_PATH
from sandbox.containers.toolchains import Content
from sandbox.errors import SandboxError

_ENGINE: Final = "or install docker, podman or buildah, which then builds the real image"
_HUB: Final = ("docker.io/library/", "docker.io/", "index.docker.io/library/", "library/")
_MIRRORS: Final = ("public.ecr.aws/docker/library/", "mirror.gcr.io/library/")
_KNOWN: Final = (
    "python, ghcr.io/astral-sh/uv, debian, ubuntu, alpine, scratch, node, oven/bun, golang"
)
_MACHINE: Final = re.compile(r"debian|ubuntu|buildpack-deps|alpine|bitnami/minideb")
_DISTROLESS: Final = re.compile(
    r"gcr\.io/distroless/(static|base|base-nossl|cc|python3)(-debian\d+)?"
)
_RELEASES: Final = re.compile(
    r"buster|bullseye|bookworm|trixie|forky|focal|jammy|noble|resolute|sid"
)
_VERSION: Final = re.compile(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?(?=$|[-_a-z])")
_INSTEAD: Final[Mapping[str, str]] = {
    "nginx": "serve the static files from the app (StaticFiles), or build the app's image alone",
    "postgres": "the database is RDS here: build the app's image alone",
    "tiangolo/uvicorn-gunicorn-fastapi": "its authors advise to build FROM python instead",
    "tiangolo/uvicorn-gunicorn": "its authors advise to build FROM python instead",
}


class BaseRefused(Exception):  # noqa: N818 - a decision
    """No base here can stand for an image.

    Attributes:
        why: Reason.
        remedy: Instruction to the reader.
    """

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(why)
        self.why = why
        self.remedy = remedy


@dataclass(frozen=True)
class Base:
    """Base that stands for an image.

    Attributes:
        title: Short description, for the image's history.
        contents: Layers on the machine, from bottom to top.
        env: Variables that the image sets.
        note: What differs from the real image, and is told at each build.
    """

    title: str
    contents: tuple[Content, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    note: str | None = None


@dataclass
class Bases:
    """The bases of one build.

    Attributes:
        project: Folder of the build's context, whose ``requires-python`` limits a replacement.
        log: Called with each line about a download.
    """

    project: Path
    log: Callable[[str], None] = lambda _: None
    _known: dict[str, Base | BaseRefused] = field(default_factory=dict)

    def resolve(self, name: str) -> Base:
        """Return what stands for an image; what it needs is downloaded, and nothing else made.

        Raises:
            BaseRefused: Nothing here can.
        """
        if name not in self._known:
            try:
                self._known[name] = self._resolve(name)
            except BaseRefused as refused:
                self._known[name] = refused
        found = self._known[name]
        if isinstance(found, BaseRefused):
            raise BaseRefused(found.why, found.remedy)
        return found

    def _resolve(self, name: str) -> Base:
        if name == "scratch":
            return Base("an empty root", (toolchains.nothing(),))
        try:
            reference = parse_reference(name)
        except SandboxError as error:
            raise BaseRefused(error.why, "correct the image's name") from error
        repository = _familiar(reference.repository)
        tag = reference.tag or "latest"
        if repository == "python":
            return self._python(tag, name)
        if repository == "ghcr.io/astral-sh/uv":
            return self._uv(tag, name)
        if repository in {"node", "oven/bun", "golang"}:
            return self._toolchain(repository, tag, name)
        if _DISTROLESS.fullmatch(repository):
            note = f"{name}: here it is this machine, with a shell that the real image lacks"
            return Base("this machine", _without_python(repository), note=note)
        if _MACHINE.fullmatch(repository):
            return Base(
                "this machine",
                (toolchains.no_python(),),
                note=_foreign(f"{repository}:{tag}", name),
            )
        remedy = _INSTEAD.get(repository, f"build FROM one of {_KNOWN}")
        raise BaseRefused(f"the sandbox has nothing that stands for {name}", f"{remedy}; {_ENGINE}")

    def _python(self, tag: str, name: str) -> Base:
        match = _VERSION.match(tag)
        if match is None or match[2] is None:
            # python:3, python:slim, python:latest
            own = interpreters.own()
            if match is not None and int(match[1]) != own.release[0]:
                raise BaseRefused(
                    f"the sandbox has no Python {match[1]}", f"name another version; {_ENGINE}"
                )
            note = f"{name}: here it is Python {own.minor} of this machine"
            return Base(f"Python {own.minor}", note=note)
        minor = f"{match[1]}.{match[2]}"
        found = interpreters.find(minor, cache_folder().parent, self.log)
        if found is None:
            return self._replacement(minor, name)
        wanted = ".".join(part for part in match.groups() if part)
        release = ".".join(map(str, found.release))
        notes: list[str] = [f"it has {release}"] if match[3] and wanted != release else []
        notes += _differences(tag)
        told = f"{name}: here {' and '.join(notes)}" if notes else None
        return Base(f"Python {release}", _python_layers(found), note=told)

    def _replacement(self, minor: str, name: str) -> Base:
        """Return the sandbox's own Python for another, if the app allows it."""
        own = interpreters.own()
        remedy = (
            f"install Python {minor} on this machine (`uv python install {minor}`, pyenv),"
            f" let it reach a host that has it, {_ENGINE}"
        )
        why = f"Python {minor} is neither on this machine nor can it be downloaded"
        for place, allowed in required_pythons(self.project):
            if not _allows(allowed, own):
                raise BaseRefused(
                    f"{why}, and {place} ({allowed}) does not allow Python {own.minor} instead",
                    remedy,
                )
        note = f"{name}: here it is Python {own.minor} of this machine, since {why}"
        return Base(f"Python {own.minor}", note=note)

    def _uv(self, tag: str, name: str) -> Base:
        version = toolchains.uv_version()
        match = re.fullmatch(r"(?P<uv>\d+(?:\.\d+)*|latest)?-?(?P<variant>.*)", tag)
        asked, variant = (match["uv"], match["variant"]) if match else (None, tag)
        differs = asked not in {None, "latest"} and not f"{version}.".startswith(f"{asked}.")
        notes = [f"{name}: here it has uv {version}"] if differs else []
        if not variant:
            layers = (toolchains.nothing(), toolchains.files(toolchains.uv_programs("/")))
            return Base(f"uv {version}", layers, note="; ".join(notes) or None)
        if variant.startswith("python"):
            base = self._python(variant.removeprefix("python"), name)
        else:
            hidden = (toolchains.no_python(),)
            base = Base("this machine", hidden, note=_foreign(variant, name))
        notes += [base.note] if base.note else []
        return Base(
            f"{base.title}, uv {version}",
            (*base.contents, toolchains.files(toolchains.uv_programs("/usr/local/bin"))),
            {"UV_TOOL_BIN_DIR": "/usr/local/bin"},
            "; ".join(notes) or None,
        )

    def _toolchain(self, repository: str, tag: str, name: str) -> Base:
        match = _VERSION.match(tag)
        kind = {"node": "Node.js", "oven/bun": "Bun", "golang": "Go"}[repository]
        try:
            if repository == "golang":
                return self._go(match, name)
            major = match[1] if match else "latest"
            make = toolchains.node if repository == "node" else toolchains.bun
            version, content = make(major, cache_folder().parent, self.log)
        except toolchains.Unavailable as error:
            raise BaseRefused(
                f"{kind} for {name} can't be had: {error}",
                f"let this machine reach the npm registry, {_ENGINE}",
            ) from error
        wanted = ".".join(part for part in match.groups() if part) if match else ""
        note = None
        if not f"{version}.".startswith(f"{wanted}.") or not wanted:
            note = f"{name}: here it has {kind} {version}"
        env = {"NODE_VERSION": version} if repository == "node" else {}
        return Base(f"{kind} {version}", (toolchains.no_python(), content), env, note)

    def _go(self, match: re.Match[str] | None, name: str) -> Base:
        go = shutil.which("go") or "/usr/local/go/bin/go"
        try:
            answer = subprocess.run(
                [go, "env", "GOVERSION", "GOROOT"], capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise BaseRefused("Go is not on this machine", f"install it, {_ENGINE}") from error
        version, root = answer.stdout.split()
        numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
        asked = tuple(int(part) for part in (match.groups()[:2] if match else ()) if part)
        if numbers < asked:
            remedy = f"install another; {_ENGINE}"
            raise BaseRefused(f"this machine has the older Go {version}", remedy)
        env = {
            "GOLANG_VERSION": version.removeprefix("go"),
            "GOPATH": "/go",
            "GOTOOLCHAIN": "local",
            "PATH": f"/go/bin:/usr/local/go/bin:{DEFAULT_PATH}",
        }
        content = toolchains.folder(f"go {version}", Path(root), "usr/local/go")
        note = f"{name}: here it has {version}" if numbers != asked else None
        return Base(version, (toolchains.no_python(), content), env, note)


def required_pythons(project: Path) -> list[tuple[str, str]]:
    """Return the places in a project that limit its Python, each with its version specifier."""
    found = []
    pinned = project / ".python-version"
    if pinned.is_file():
        version = pinned.read_text(encoding="utf-8", errors="replace").strip().splitlines()[:1]
        if version and (match := re.fullmatch(r"(?:cpython[@-])?(\d+\.\d+)(\.\d+)?", version[0])):
            found.append((".python-version", f"=={match[1]}.*"))
    path = project / "pyproject.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return found
    declared = document.get("project", {}).get("requires-python")
    if isinstance(declared, str):
        found.append(("requires-python of pyproject.toml", declared))
    poetry = document.get("tool", {}).get("poetry", {}).get("dependencies", {}).get("python")
    if isinstance(poetry, str):
        found.append(("python of tool.poetry.dependencies", _from_poetry(poetry)))
    return found


def _from_poetry(text: str) -> str:
    """Translate Poetry's ``^3.11`` and ``~3.11``."""
    match = re.fullmatch(r"([\^~])\s*(\d+)\.(\d+)(\.\d+)?", text.strip())
    if match is None:
        return text
    sign, major, minor, patch = match.groups()
    highest = f"{int(major) + 1}" if sign == "^" else f"{major}.{int(minor) + 1}"
    return f">={major}.{minor}{patch or ''},<{highest}"


def _allows(specifier: str, interpreter: Interpreter) -> bool:
    try:
        return ".".join(map(str, interpreter.release)) in SpecifierSet(specifier)
    except InvalidSpecifier:
        return True


def _python_layers(found: Interpreter) -> tuple[Content, ...]:
    return () if found == interpreters.own() else (toolchains.python(found),)


def _without_python(repository: str) -> tuple[Content, ...]:
    return () if "python" in repository else (toolchains.no_python(),)


def _familiar(repository: str) -> str:
    for prefix in (*_MIRRORS, *_HUB):
        if repository.startswith(prefix):
            return repository.removeprefix(prefix)
    return repository


def _foreign(image: str, name: str) -> str | None:
    differences = _differences(image)
    return f"{name}: here it is this machine: {' and '.join(differences)}" if differences else None


def _differences(image: str) -> list[str]:
    """Return in what the machine's distribution differs from the one that an image's name has."""
    if "alpine" in image:
        return ["it has glibc instead of musl, and no apk"]
    asked = _RELEASES.search(image)
    own = platform.freedesktop_os_release().get("VERSION_CODENAME", "another distribution")
    return [f"its distribution is {own}"] if asked and asked[0] != own else []
