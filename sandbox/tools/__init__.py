"""Tools that the sandbox runs: Pulumi, Kubernetes, External Secrets.

Each is used from the machine, or else downloaded as a pinned release, or else built from its
published Go module. Downloads and builds are kept in a cache outside the checkout.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from sandbox.errors import SandboxError
from sandbox.settings import Settings
from sandbox.tools.provide import ToolStatus, make_missing, status
from sandbox.tools.recipes import cache_key, recipe

__all__ = ["ToolStatus", "Tools", "cache_key", "ensure", "locate", "status"]


@dataclass(frozen=True)
class Tools:
    """Paths of the tools.

    Attributes:
        bin: Folder of links to all programs, for the beginning of PATH.
        programs: Programs by name.
        folders: Folders of tools in the cache, by the tool's name.
    """

    bin: Path
    programs: Mapping[str, Path]
    folders: Mapping[str, Path]

    def program(self, name: str) -> Path:
        """Return the link to a program.

        Raises:
            SandboxError: Its tool was not requested.
        """
        if name not in self.programs:
            raise SandboxError(
                f"program {name!r}",
                why=f"it is not in the requested tools: {', '.join(sorted(self.programs))}",
                remedy="request its tool by name, or all tools.",
            )
        return self.bin / name

    @property
    def pulumi(self) -> Path:
        """Pulumi's CLI; its language host is in the same folder."""
        return self.program("pulumi")

    @property
    def kubectl(self) -> Path:
        """Command line of Kubernetes."""
        return self.program("kubectl")

    @property
    def etcd(self) -> Path:
        """Database of the Kubernetes API."""
        return self.program("etcd")

    @property
    def kube_apiserver(self) -> Path:
        """API server of Kubernetes."""
        return self.program("kube-apiserver")

    @property
    def kube_controller_manager(self) -> Path:
        """Kubernetes' own controllers."""
        return self.program("kube-controller-manager")

    @property
    def kube_scheduler(self) -> Path:
        """Scheduler of Kubernetes."""
        return self.program("kube-scheduler")

    @property
    def external_secrets(self) -> Path:
        """The External Secrets Operator."""
        return self.program("external-secrets")

    @property
    def crds(self) -> Path:
        """Folder of the External Secrets Operator's CustomResourceDefinitions."""
        self.program("external-secrets")
        return self.folders["external-secrets"] / "crds"


def ensure(
    settings: Settings, names: Iterable[str] | None = None, console: Console | None = None
) -> Tools:
    """Download or build the missing tools, and show the progress.

    Args:
        settings: The sandbox, with its cache and home.
        names: Names of tools; all when None.
        console: Receives progress: bars on a terminal, plain lines elsewhere.

    Raises:
        SandboxError: A tool can't be made: no compiler, no network, no space, a failed build.
    """
    return _linked(settings, make_missing(settings, names, console or Console(stderr=True)))


def locate(settings: Settings, names: Iterable[str] | None = None) -> Tools:
    """Return the tools without making any.

    Raises:
        SandboxError: Some are missing; the error names them.
    """
    found = status(settings, names)
    missing = [f"{each.name} {each.version}" for each in found if each.source == "missing"]
    if missing:
        raise SandboxError(
            f"tools in {settings.cache}",
            why=f"missing: {', '.join(missing)}",
            remedy="run `sandbox up`, which makes them.",
        )
    return _linked(settings, found)


def _linked(settings: Settings, found: Iterable[ToolStatus]) -> Tools:
    programs: dict[str, Path] = {}
    folders: dict[str, Path] = {}
    for each in found:
        plugin = recipe(each.name).plugin
        if plugin:
            _link_all(settings.home / "pulumi" / "home" / "plugins" / plugin, each.programs)
        else:
            programs |= each.programs
        if each.folder is not None:
            folders[each.name] = each.folder
    return Tools(_link_all(settings.home / "bin", programs), programs, folders)


def _link_all(folder: Path, programs: Mapping[str, Path]) -> Path:
    """Make ``folder/<name>`` a link to each program; each is replaced in one step.

    Links that are right already are not touched, so a running shell or a second
    run never misses one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, target in programs.items():
        link = folder / name
        if link.is_symlink() and link.readlink() == target:
            continue
        temporary = folder / f".{name}.{os.getpid()}"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(target)
        temporary.replace(link)
    return folder
