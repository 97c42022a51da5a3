"""The real tools that the sandbox runs: Pulumi, Kubernetes, External Secrets.

Each is found on the machine, else its pinned release is downloaded, else it is built
from its published Go module, and kept in the cache outside the checkout.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from sandbox.errors import SandboxError
from sandbox.settings import Settings
from sandbox.tools.links import link_all
from sandbox.tools.provide import ToolStatus, make_missing, status
from sandbox.tools.recipes import cache_key, recipe

__all__ = ["ToolStatus", "Tools", "cache_key", "ensure", "locate", "status"]


@dataclass(frozen=True)
class Tools:
    """Where the tools are.

    Attributes:
        bin: Folder of links to all programs, to be put first on PATH.
        programs: Each program by its name.
        folders: Each tool's folder in the cache, where it is there, by the tool's name.
    """

    bin: Path
    programs: Mapping[str, Path]
    folders: Mapping[str, Path]

    def program(self, name: str) -> Path:
        """The link by which a program is started.

        Raises:
            SandboxError: When its tool was not asked for.
        """
        if name not in self.programs:
            raise SandboxError(
                f"program {name!r}",
                why=f"it is not among the tools asked for: {', '.join(sorted(self.programs))}",
                remedy="ask for its tool by name, or for all of them.",
            )
        return self.bin / name

    @property
    def pulumi(self) -> Path:
        """The Pulumi CLI; its language host is in the same folder."""
        return self.program("pulumi")

    @property
    def kubectl(self) -> Path:
        """The command line of Kubernetes."""
        return self.program("kubectl")

    @property
    def etcd(self) -> Path:
        """The store of the Kubernetes API."""
        return self.program("etcd")

    @property
    def kube_apiserver(self) -> Path:
        """The Kubernetes API server."""
        return self.program("kube-apiserver")

    @property
    def kube_controller_manager(self) -> Path:
        """Kubernetes' own controllers."""
        return self.program("kube-controller-manager")

    @property
    def kube_scheduler(self) -> Path:
        """What assigns Pods to nodes."""
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
    """Make what is missing, and show how far that is.

    Args:
        settings: Whose cache and home to use.
        names: Names of tools; all when None.
        console: Where progress goes: bars on a terminal, plain lines elsewhere.

    Raises:
        SandboxError: When a tool can't be had: no compiler, no network, no space,
            a build that fails.
    """
    return _linked(settings, make_missing(settings, names, console or Console(stderr=True)))


def locate(settings: Settings, names: Iterable[str] | None = None) -> Tools:
    """The tools, without making any.

    Raises:
        SandboxError: Naming those that are missing.
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
            link_all(settings.home / "pulumi" / "home" / "plugins" / plugin, each.programs)
        else:
            programs |= each.programs
        if each.folder is not None:
            folders[each.name] = each.folder
    return Tools(link_all(settings.home / "bin", programs), programs, folders)
