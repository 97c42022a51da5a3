"""Provision of tools: found on the machine, or else downloaded, or else built, each once."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock
from typing import Literal

from rich.console import Console

from sandbox.errors import SandboxError
from sandbox.settings import Settings
from sandbox.tools.cache import Cache, require_space
from sandbox.tools.compiler import Compiler, find_compiler
from sandbox.tools.found import find
from sandbox.tools.gobuild import Builder
from sandbox.tools.progress import Report, display
from sandbox.tools.recipes import CATALOGUE, NEEDED, Recipe, recipe
from sandbox.tools.released import download
from sandbox.tools.wheels import install_program

Source = Literal["cache", "machine", "missing"]


@dataclass(frozen=True)
class ToolStatus:
    """Status of a tool.

    Attributes:
        name: Name of the tool.
        version: Version that the sandbox builds.
        source: ``cache``, ``machine`` (on PATH) or ``missing``.
        programs: Programs by name.
        folder: Folder in the cache.
    """

    name: str
    version: str
    source: Source
    programs: Mapping[str, Path]
    folder: Path | None = None


def status(settings: Settings, names: Iterable[str] | None = None) -> tuple[ToolStatus, ...]:
    """Return the status of each tool, without making any."""
    cache = Cache(settings.cache)
    return tuple(_look(cache, each) for each in _chosen(names))


def _chosen(names: Iterable[str] | None) -> tuple[Recipe, ...]:
    if names is None:
        return CATALOGUE
    wanted = {recipe(name).name for name in names}
    return tuple(each for each in (*CATALOGUE, *NEEDED) if each.name in wanted)


def _look(cache: Cache, wanted: Recipe) -> ToolStatus:
    folder = cache.finished(wanted.folder_name)
    if folder is not None:
        programs = {path.name: path for path in sorted((folder / "bin").iterdir())}
        return ToolStatus(wanted.name, wanted.version, "cache", programs, folder)
    found = find(wanted)
    if found is not None:
        return ToolStatus(wanted.name, wanted.version, "machine", found)
    return ToolStatus(wanted.name, wanted.version, "missing", {})


def make_missing(
    settings: Settings, names: Iterable[str] | None, console: Console
) -> tuple[ToolStatus, ...]:
    """Download or build those of the tools ``names`` (None for all) that are missing.

    Raises:
        SandboxError: A tool can't be made; the finished ones are kept.
    """
    cache = Cache(settings.cache)
    missing = [recipe(s.name) for s in status(settings, names) if s.source == "missing"]
    if missing:
        with display(console) as report_for:
            _Provision(cache, report_for).all(missing)
    return status(settings, names)


class _Provision:
    """Provision of several tools in one run."""

    def __init__(self, cache: Cache, report_for: Callable[[str], Report]) -> None:
        self._cache = cache
        self._report_for = report_for
        self._builder = Builder()
        self._ended = Event()
        self._compiler: Compiler | None = None
        self._compiler_lock = Lock()

    def all(self, recipes: Iterable[Recipe]) -> None:
        with ThreadPoolExecutor(len(CATALOGUE)) as pool:
            futures = [pool.submit(self._one, each) for each in recipes]
            try:
                # In the order of completion: the first failure causes the others.
                for future in as_completed(futures):
                    future.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
                self._ended.set()
                self._builder.stop()

    def _one(self, wanted: Recipe) -> None:
        report = self._report_for(wanted.title)
        try:
            with self._cache.making(wanted.folder_name, report.message) as folder:
                how = (
                    "made by another run" if folder is None else self._make(wanted, folder, report)
                )
        except OSError as error:
            raise _disk_error(wanted, error) from error
        report.done(how)

    def _make(self, wanted: Recipe, folder: Path, report: Report) -> str:
        if wanted.release and download(wanted.release, folder / "bin", report, self._ended):
            return "downloaded"
        if wanted.wheel is not None:
            install_program(wanted, folder, self._cache.log(wanted.folder_name), report)
            return "installed"
        log = self._cache.log(wanted.folder_name)
        compiler = self._find_compiler(report)
        for place in (folder, compiler.build_cache, compiler.module_cache):
            require_space(place, wanted.disk_gib, wanted.title)
        self._builder.build(wanted, folder, compiler, log, report)
        return "built"

    def _find_compiler(self, report: Report) -> Compiler:
        with self._compiler_lock:
            if self._compiler is None:
                self._compiler = find_compiler(self._cache, report)
            return self._compiler


def _disk_error(wanted: Recipe, error: OSError) -> SandboxError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return SandboxError(
        f"building {wanted.title}",
        why=f"{error.filename or 'the cache'}: {error.strerror}",
        remedy="free some space, or put the tools elsewhere with SANDBOX_CACHE=<folder>."
        if full
        else "make that path writable, or put the tools elsewhere with SANDBOX_CACHE=<folder>.",
    )
