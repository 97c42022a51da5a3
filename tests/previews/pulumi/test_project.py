"""The Pulumi project of another app, and the settings that lead to it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from contract.preview import Preview
from contract.stack_name import PLATFORM_APP, AppName, StackName
from previews.clients import Clients
from previews.commands._arguments import preview_of
from previews.errors import PreviewsError
from previews.pulumi.project import prepare_project
from previews.pulumi.state import read_app_stacks
from previews.settings import PROJECT_ROOT, Settings

ORDERS = AppName("orders")


@pytest.fixture
def platform(tmp_path: Path) -> Path:
    """A checkout of the platform."""
    folder = tmp_path / "platform"
    folder.mkdir()
    shutil.copy(PROJECT_ROOT / "Pulumi.yaml", folder)
    return folder


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """The folder of another app."""
    folder = tmp_path / "orders"
    folder.mkdir()
    (folder / "preview.yaml").write_text("app: orders\nservice: {}\n")
    return folder


def settings(platform: Path, app: Path | None = None) -> Settings:
    return Settings.read(project=platform, app=app)


def test_the_platforms_own_app_has_its_project_and_nothing_is_written(platform: Path) -> None:
    for app in (None, platform):
        read = settings(platform, app)
        assert read.app_name == PLATFORM_APP
        assert prepare_project(read) == platform
    assert [file.name for file in platform.iterdir()] == ["Pulumi.yaml"]


def test_another_app_has_the_same_keys_and_defaults(platform: Path, orders: Path) -> None:
    folder = prepare_project(settings(platform, orders))
    assert folder == platform / "apps" / "orders"
    made: dict[str, Any] = yaml.safe_load((folder / "Pulumi.yaml").read_text())
    own: dict[str, Any] = yaml.safe_load((platform / "Pulumi.yaml").read_text())
    assert made["name"] == "orders"
    assert (folder / made["main"]).resolve() == (platform / own["main"]).resolve()
    virtualenv = made["runtime"]["options"]["virtualenv"]
    assert (folder / virtualenv).resolve() == (platform / ".venv").resolve()
    source = made["config"].pop("previews:source")["value"]
    assert (platform / source).resolve() == orders
    defaults = {f"previews:{key}": {"value": d["default"]} for key, d in own["config"].items()}
    assert made["config"] == defaults


def test_it_is_written_only_when_it_differs(platform: Path, orders: Path) -> None:
    file = prepare_project(settings(platform, orders)) / "Pulumi.yaml"
    before = file.stat().st_mtime_ns, file.stat().st_ino
    prepare_project(settings(platform, orders))
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == before
    file.write_text("name: edited\n")
    prepare_project(settings(platform, orders))
    assert yaml.safe_load(file.read_text())["name"] == "orders"
    assert [one.name for one in file.parent.iterdir()] == ["Pulumi.yaml"]


def test_git_ignores_it_and_not_what_people_write() -> None:
    ignored = (PROJECT_ROOT / ".gitignore").read_text().splitlines()
    assert "apps/*/Pulumi.yaml" in ignored
    assert not [line for line in ignored if "staging" in line and not line.startswith("#")]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (None, "app-description"),
        ("a: [", "app-description"),
        ("service: {}", "app-name"),
        ("- a", "app-description"),
        ("app: my-pr-shop", "app-description"),
        ("app: Orders", "app-description"),
    ],
)
def test_a_folder_without_the_name_of_an_app_is_refused(
    platform: Path, tmp_path: Path, text: str | None, code: str
) -> None:
    if text is not None:
        (tmp_path / "preview.yaml").write_text(text)
    with pytest.raises(PreviewsError) as caught:
        prepare_project(settings(platform, tmp_path))
    assert caught.value.code == code
    assert str(tmp_path / "preview.yaml") in str(caught.value)


def test_a_checkout_that_is_no_platform_is_named(tmp_path: Path, orders: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for text in (None, "config: {a: {{x}}}", "a: 2024-02-30", "- a", "a: 1", "[" * 3000):
        if text is not None:
            (empty / "Pulumi.yaml").write_text(text)
        with pytest.raises(PreviewsError) as caught:
            prepare_project(settings(empty, orders))
        assert caught.value.code == "app-project"


def test_a_number_is_that_of_the_apps_pull_request(
    platform: Path, orders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREVIEWS_PROJECT", str(platform))
    assert preview_of("42") == Preview(42)
    monkeypatch.setenv("PREVIEWS_APP", str(orders))
    assert preview_of("42") == Preview(42, ORDERS) == Clients().preview(42)


@pytest.mark.parametrize("project", ["previews", "orders"])
def test_stacks_of_all_apps_are_listed_from_every_project(project: str) -> None:
    listed = [
        {"name": "pr-42"},
        {"name": "organization/previews/staging"},
        {"name": "organization/orders/pr-7"},
        {"name": "organization/billing/data-1"},
        {"name": "organization/Website/production"},
        {"name": "organization/previews/dev"},
    ]
    found = read_app_stacks(listed, organization="organization", project=project)
    assert found == [
        StackName.parse("pr-42", AppName.of_project(project)),
        StackName.parse("staging"),
        StackName.parse("pr-7", ORDERS),
        StackName.parse("data-1", AppName("billing")),
    ]
    elsewhere = read_app_stacks(listed, organization="acme", project=project)
    assert elsewhere == found[:1]


def changed(folder: Path, **more: Any) -> Path:
    """A pull request's checkout, whose program and Pulumi.yaml differ."""
    pull = folder / "pull"
    (pull / "infra").mkdir(parents=True)
    (pull / "infra" / "__init__.py").touch()
    (pull / "infra" / "__main__.py").write_text("import infra.of_the_pull_request\n")
    (pull / "infra" / "of_the_pull_request.py").write_text("print('the pull request')\n")
    own = yaml.safe_load((PROJECT_ROOT / "Pulumi.yaml").read_text())
    own["config"]["novel"] = {"default": "1", "type": "string"}
    (pull / "Pulumi.yaml").write_text(yaml.safe_dump({**own, **more}))
    (pull / "Pulumi.staging.yaml").write_text("secretsprovider: passphrase\n")
    return pull


def test_a_pull_requests_program_runs_with_the_platforms_environment(
    platform: Path, tmp_path: Path
) -> None:
    (platform / "Pulumi.staging.yaml").write_text("secretsprovider: awskms://alias/state\n")
    hostile = {
        "name": "other",
        "backend": {"url": "s3://evil"},
        "runtime": {"name": "python", "options": {"virtualenv": "evil"}},
        "main": "evil.py",
        "plugins": {"providers": [{"name": "aws", "path": "evil"}]},
        "stackConfigDir": "evil",
    }
    program = changed(tmp_path, **hostile)
    read = Settings.read(project=platform, program=program)
    folder = prepare_project(read)
    assert folder == read.project_folder == platform / "pull-request"
    made: dict[str, Any] = yaml.safe_load((folder / "Pulumi.yaml").read_text())
    assert "evil" not in (folder / "Pulumi.yaml").read_text()
    assert made["name"] == "previews"
    assert (folder / made["runtime"]["options"]["virtualenv"]).resolve() == platform / ".venv"
    assert made["config"]["novel"] == {"default": "1", "type": "string"}
    # What encrypts the state is not the pull request's choice.
    assert "alias/state" in (folder / "Pulumi.staging.yaml").read_text()


def test_its_modules_are_its_own_although_the_platforms_are_installed(
    platform: Path, tmp_path: Path
) -> None:
    folder = prepare_project(Settings.read(project=platform, program=changed(tmp_path)))
    ran = subprocess.run(
        [sys.executable, folder / "__main__.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "the pull request\n"


def test_another_apps_program_is_the_platforms(
    platform: Path, orders: Path, tmp_path: Path
) -> None:
    with pytest.raises(PreviewsError) as caught:
        prepare_project(Settings.read(project=platform, app=orders, program=changed(tmp_path)))
    assert caught.value.code == "program-of-an-app"


def test_a_pulumi_yaml_of_a_pull_request_that_is_wrong_is_named(
    platform: Path, tmp_path: Path
) -> None:
    program = changed(tmp_path)
    for text in ("config: {a: {{x}}}", "- a", "a: 1", "config: 3"):
        (program / "Pulumi.yaml").write_text(text)
        with pytest.raises(PreviewsError) as caught:
            prepare_project(Settings.read(project=platform, program=program))
        assert caught.value.code == "program-project"


def test_an_empty_variable_names_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREVIEWS_PROGRAM", "")
    assert Settings.read().program is None
