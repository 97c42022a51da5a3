"""Builds are pinned by files beside the recipes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from sandbox.errors import SandboxError
from sandbox.tools import recipes
from sandbox.tools.compiler import GO_MINIMUM, version_numbers
from sandbox.tools.released import pins

MODULE_FILES = sorted(recipes.MODULES.rglob("go.mod"))


@pytest.mark.parametrize("path", MODULE_FILES, ids=lambda p: str(p.parent.name))
def test_no_module_asks_for_a_newer_compiler_than_the_stated_minimum(path: Path) -> None:
    line = re.search(r"^go (\S+)$", path.read_text(), re.MULTILINE)
    assert line is not None
    asked = version_numbers(line[1])
    assert asked <= GO_MINIMUM[: len(asked)]


@pytest.mark.parametrize("path", MODULE_FILES, ids=lambda p: str(p.parent.name))
def test_every_module_has_its_sums(path: Path) -> None:
    assert path.with_name("go.sum").read_text().strip()


def test_the_versions_said_are_the_versions_required() -> None:
    def requires(module: str, line: str) -> bool:
        return line in (recipes.MODULES / module / "go.mod").read_text()

    assert requires("pulumi", f"github.com/pulumi/pulumi/pkg/v3 v{recipes.PULUMI_VERSION}")
    assert requires("kubernetes", f"k8s.io/kubernetes v{recipes.KUBERNETES_VERSION}")
    assert requires("kubernetes/published", f"k8s.io/kubernetes v{recipes.KUBERNETES_VERSION}")
    provider = "github.com/pulumi/pulumi-kubernetes/provider/v4 v4.0.0-"
    assert requires("pulumi-kubernetes/published", provider)
    assert requires("pulumi/published", f"pkg/v3 v{recipes.PULUMI_VERSION}")
    operator = "github.com/external-secrets/external-secrets"
    assert requires("external-secrets", f"{operator} v{recipes.EXTERNAL_SECRETS_VERSION}")
    assert requires("external-secrets/published", f"{operator} v{recipes.EXTERNAL_SECRETS_VERSION}")
    mailpit = f"github.com/axllent/mailpit v{recipes.MAILPIT_VERSION}"
    assert requires("mailpit", mailpit)
    assert requires("mailpit/published", mailpit)


def test_packages_of_a_page_are_pinned_by_hash_and_come_from_the_configured_registry() -> None:
    folder = recipes.MODULES / "mailpit" / "overlay"
    locked = json.loads((folder / "npm-shrinkwrap.json").read_text())["packages"]
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    assert locked[""]["dependencies"] == wanted
    for name in locked.keys() - {""}:
        assert locked[name]["integrity"].startswith("sha512-"), name
        assert "resolved" not in locked[name], name


def test_a_changed_wheel_gets_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(recipes.MODULES / "redis", tmp_path / "redis")
    monkeypatch.setattr(recipes, "MODULES", tmp_path)
    before = recipes.REDIS._fingerprint()
    with (tmp_path / "redis" / "requirements.txt").open("a") as pins:
        pins.write("\n")
    assert recipes.REDIS._fingerprint() != before


def test_what_tools_share_has_one_version_and_so_is_compiled_once() -> None:
    versions: dict[str, dict[str, set[str]]] = {}
    for tool in recipes.CATALOGUE:
        for binary in tool.binaries:
            text = (binary.folder / "go.mod").read_text()
            for name, version in re.findall(r"^\t(\S+) (v\S+)", text, re.MULTILINE):
                versions.setdefault(name, {}).setdefault(version, set()).add(binary.module)
    differing = {name: found for name, found in versions.items() if len(found) > 1}
    # Replaced by their real version, and the last SDK that has the language host in it.
    allowed = {"k8s.io/apiextensions-apiserver", "github.com/pulumi/pulumi/sdk/v3"}
    assert differing.keys() - allowed == set(), differing


def test_the_key_of_a_cache_names_its_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    key = recipes.cache_key()
    assert re.fullmatch(r"sandbox-tools-[0-9a-f]{16}", key)
    assert recipes.cache_key() == key
    monkeypatch.setattr(recipes, "CATALOGUE", recipes.CATALOGUE[1:])
    assert recipes.cache_key() != key


def test_a_changed_module_gets_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "modules"
    shutil.copytree(recipes.MODULES, copy)
    monkeypatch.setattr(recipes, "MODULES", copy)
    before = recipes.PULUMI._fingerprint()
    assert recipes.PULUMI._fingerprint() == before

    with (copy / "pulumi" / "go.sum").open("a") as sums:
        sums.write("\n")

    assert recipes.PULUMI._fingerprint() != before
    assert recipes.KUBERNETES._fingerprint() in recipes.KUBERNETES.folder_name


def test_an_unknown_tool_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(SandboxError, match=r"tool 'helm'.*kubernetes, pulumi, pulumi-kub"):
        recipes.recipe("helm")


def test_each_pin_is_a_checksum_of_an_archive_that_is_downloaded() -> None:
    archives = {name for release in recipes.RELEASES for name in release.archives.values()}
    assert pins().keys() <= archives
    assert all(re.fullmatch("[0-9a-f]{64}", checksum) for checksum in pins().values())
    # Both or neither: a machine of the other architecture would build for no reason.
    for release in recipes.RELEASES:
        assert len(pins().keys() & set(release.archives.values())) in {0, 2}


def test_releases_come_by_https_and_have_both_architectures() -> None:
    for release in recipes.RELEASES:
        assert release.place.startswith("https://")
        assert len(set(release.archives.values())) == 2
