"""An existing repository gets its three files, or is told what it lacks."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from contract.app.read import read_app
from previews.adoption.workflow import parse_platform, upgraded, workflow
from previews.errors import PreviewsError
from tests.previews.adoption.repositories import DOCKERFILE, MAIN, ORDERS, SETTINGS, repository

Run = Callable[..., tuple[int, str, str]]
PLATFORM = ("--platform", "acme/previews@v1")


def adopted(previews: Run, folder: Path, *arguments: str) -> dict[str, object]:
    code, output, complaint = previews("adopt", str(folder), "--json", *PLATFORM, *arguments)
    assert code == 0, complaint
    document: dict[str, object] = json.loads(output)
    return document


def test_a_plain_repository_is_described_without_a_question(previews: Run, tmp_path: Path) -> None:
    report = adopted(previews, repository(tmp_path))
    app = read_app(tmp_path)
    assert app.app == "orders"
    assert app.service.command is None
    assert (app.service.port, app.service.user, app.service.health.ready) == (
        8000,
        10001,
        "/health",
    )
    assert app.service.environment == {
        "DATABASE_URL": "postgresql+asyncpg://{user}:{password}@{host}:{port}/{name}?{tls}"
    }
    assert list(app.secrets) == ["SECRET_KEY"]
    assert app.database.migrate == ("alembic", "upgrade", "head")
    assert app.database.extensions == ("citext",)
    assert [change["outcome"] for change in report["changes"]] == ["created"] * 3  # type: ignore[attr-defined]
    assert [one["where"] for one in report["problems"]] == ["scrub.yaml"]  # type: ignore[attr-defined]


def test_a_second_run_changes_nothing(previews: Run, tmp_path: Path) -> None:
    adopted(previews, repository(tmp_path))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    report = adopted(previews, tmp_path)
    assert {change["outcome"] for change in report["changes"]} == {"unchanged"}  # type: ignore[attr-defined]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_windows_line_ends_of_a_checkout_are_no_difference(previews: Run, tmp_path: Path) -> None:
    adopted(previews, repository(tmp_path))
    path = tmp_path / "preview.yaml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    report = adopted(previews, tmp_path)
    assert {change["outcome"] for change in report["changes"]} == {"unchanged"}  # type: ignore[attr-defined]


def test_an_edited_file_is_kept_and_its_difference_shown(previews: Run, tmp_path: Path) -> None:
    adopted(previews, repository(tmp_path))
    path = tmp_path / "preview.yaml"
    path.write_text(path.read_text().replace("port: 8000", "port: 9000"))
    code, output, _ = previews("adopt", str(tmp_path), "--yes", *PLATFORM)
    assert code == 0
    assert "kept preview.yaml" in output
    assert "-  port: 9000" in output
    assert "+  port: 8000" in output
    assert "port: 9000" in path.read_text()


def test_on_a_terminal_a_file_is_replaced_after_a_yes(
    previews: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import typer

    shown: list[str] = []
    adopted(previews, repository(tmp_path))
    path = tmp_path / "preview.yaml"
    path.write_text("app: other\n")
    monkeypatch.setattr(typer, "confirm", lambda question, **_: shown.append(question) or True)
    code, _, complaint = previews("adopt", str(tmp_path), *PLATFORM)
    assert code == 0
    assert "-app: other" in complaint
    assert shown == ["Replace preview.yaml?"]
    assert read_app(tmp_path).app == "orders"


def test_only_what_the_source_does_not_say_is_asked(
    previews: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import typer

    asked: list[str] = []

    def answer(question: str, **_: object) -> str:
        asked.append(question)
        return "/ok" if "path" in question else "eu"

    monkeypatch.setattr(typer, "prompt", answer)
    repository(
        tmp_path,
        app__main_DOT_py=MAIN.replace('"/health"', '"/about"'),
        app__settings_DOT_py=SETTINGS + "    region: str\n",
    )
    assert previews("adopt", str(tmp_path), *PLATFORM)[0] == 0
    assert [question[:6] for question in asked] == ["REGION", "Which "]
    app = read_app(tmp_path)
    assert app.service.environment["REGION"] == "eu"
    assert app.service.health.ready == "/ok"


def test_upgrade_moves_the_reference_and_nothing_else(previews: Run, tmp_path: Path) -> None:
    adopted(previews, repository(tmp_path))
    path = tmp_path / ".github/workflows/preview.yml"
    before = path.read_text()
    code, output, _ = previews(
        "adopt", str(tmp_path), "--upgrade", "--yes", "--platform", "acme/previews@v2"
    )
    assert code == 0
    assert "+    uses: acme/previews/.github/workflows/preview.yml@v2" in output
    assert path.read_text() == before.replace("@v1", "@v2")
    assert yaml.safe_load(path.read_text())["permissions"] == {}


def test_upgrade_without_a_workflow_says_so(previews: Run, tmp_path: Path) -> None:
    code, output, _ = previews("adopt", str(repository(tmp_path)), "--upgrade", "--json", *PLATFORM)
    assert (code, json.loads(output)["error"]["code"]) == (1, "adopt-no-workflow")


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    run = subprocess.run(
        ["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True, text=True
    )
    return run.stdout.strip()


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of the platform with two releases, from which the command runs."""
    checkout = tmp_path / "platform"
    checkout.mkdir()
    git(checkout, "init", "--quiet", "--initial-branch", "trunk")
    git(checkout, "remote", "add", "origin", "https://github.com/acme/previews.git")
    first = "# Changelog\n\n## 1.0.0\n\n- Apps.\n"
    for tag, text in (
        ("v1", first),
        ("v2", first.replace("## 1", "## 2.0.0\n\n- `image.paths`.\n\n## 1", 1)),
    ):
        (checkout / "CHANGELOG.md").write_text(text)
        git(checkout, "add", ".")
        git(checkout, "commit", "--quiet", "--message", tag)
        git(checkout, "tag", tag)
    monkeypatch.setattr("previews.commands.adopt.PROJECT_ROOT", checkout)
    return checkout


def upgrade(previews: Run, folder: Path, *arguments: str) -> dict[str, Any]:
    code, output, complaint = previews("adopt", str(folder), "--upgrade", "--json", *arguments)
    assert code == 0, complaint
    document: dict[str, Any] = json.loads(output)
    return document


def test_an_upgrade_shows_the_changelog_since_the_former_reference(
    previews: Run, tmp_path: Path, platform: Path
) -> None:
    folder = repository(tmp_path / "orders")
    adopted(previews, folder)
    # Without --platform it is the tag of this program's own commit.
    report = upgrade(previews, folder)
    assert report["changelog"] == "## 2.0.0\n\n- `image.paths`."
    assert report["remarks"] == []
    assert "preview.yml@v2 #" in (folder / ".github/workflows/preview.yml").read_text()
    again = upgrade(previews, folder)
    assert (again["changelog"], again["remarks"]) == ("", [])
    assert {change["outcome"] for change in again["changes"]} == {"unchanged"}
    back = upgrade(previews, folder, "--platform", "acme/previews@v1")
    assert (back["changelog"], back["remarks"]) == ("", [])
    code, output, _ = previews("adopt", str(folder), "--upgrade")
    assert code == 0
    assert "- `image.paths`." in output
    assert platform.is_dir()


@pytest.mark.parametrize("reference", ["acme/previews@v3", "acme/other@v2"])
def test_where_the_changelog_is_not_known_it_is_linked(
    previews: Run, tmp_path: Path, platform: Path, reference: str
) -> None:
    folder = repository(tmp_path / "orders")
    adopted(previews, folder)
    report = upgrade(previews, folder, "--platform", reference)
    name, _, tag = reference.partition("@")
    [remark] = report["remarks"]
    assert f"https://github.com/{name}/blob/{tag}/CHANGELOG.md" in remark
    assert str(platform) in remark


def test_without_a_tag_the_platform_is_this_program_s_default_branch(
    previews: Run, tmp_path: Path, platform: Path
) -> None:
    (platform / "CHANGELOG.md").write_text("# Changelog\n")
    git(platform, "commit", "--quiet", "--all", "--message", "newer")
    folder = repository(tmp_path / "orders")
    assert previews("adopt", str(folder), "--json")[0] == 0
    text = (folder / ".github/workflows/preview.yml").read_text()
    assert "uses: acme/previews/.github/workflows/preview.yml@trunk #" in text
    assert git(platform, "rev-parse", "HEAD") not in text


def test_the_environments_are_those_of_the_name_in_the_kept_file(
    previews: Run, tmp_path: Path
) -> None:
    folder = repository(tmp_path)
    (folder / "preview.yaml").write_text("app: shop\n")
    adopted(previews, folder)
    text = (folder / ".github/workflows/preview.yml").read_text()
    assert "environment: shop-preview\n" in text
    assert "environment: shop-staging\n" in text


def test_another_workflow_of_that_name_is_left_alone(previews: Run, tmp_path: Path) -> None:
    workflows = tmp_path / ".github/workflows"
    folder = repository(tmp_path)
    workflows.mkdir(parents=True)
    # As where the platform is in the same repository: its files, and an app that is named as one.
    own = {name: f"name: {name}\n" for name in ("preview.yml", "preview-orders.yml")}
    for name, text in own.items():
        (workflows / name).write_text(text)
    adopted(previews, folder)
    assert {name: (workflows / name).read_text() for name in own} == own
    assert "app: .\n" in (workflows / "previews-of-orders.yml").read_text()
    assert {change["outcome"] for change in adopted(previews, folder)["changes"]} == {"unchanged"}  # type: ignore[attr-defined]


@pytest.mark.parametrize("commit", ["0123456789abcdef" * 2 + "01234567", "ab" * 32])
@pytest.mark.parametrize("more", [(), ("--upgrade",)])
def test_a_commit_is_refused_as_the_platform_s_reference(
    previews: Run, tmp_path: Path, commit: str, more: tuple[str, ...]
) -> None:
    folder = repository(tmp_path)
    code, output, complaint = previews(
        "adopt", str(folder), "--json", "--platform", f"acme/previews@{commit}", *more
    )
    assert (code, json.loads(output)["error"]["code"]) == (2, "adopt-platform-commit")
    assert "acme/previews@main" in complaint
    assert not (folder / "preview.yaml").exists()


def test_only_references_to_a_platform_s_workflows_are_moved() -> None:
    text = _job("a/b/.github/workflows/preview.yml@old # v1")
    assert upgraded(text, parse_platform("c/d@new")) == _job(
        "c/d/.github/workflows/preview.yml@new"
    )
    # The comment says nothing of the reference, so it stays.
    kept = _job("'a/b/.github/workflows/preview.yml@old' # zizmor: ignore[unpinned-uses] a reason")
    assert upgraded(kept, parse_platform("a/b@new")) == kept.replace("@old", "@new")


def _job(uses: str, inputs: str = "{app: ., environment: orders-preview}") -> str:
    step = "{runs-on: ubuntu-24.04, steps: [{uses: actions/checkout@abc}]}"
    return f"jobs:\n  other: {step}\n  preview:\n    uses: {uses}\n    with: {inputs}\n"


@pytest.mark.parametrize(
    ("uses", "inputs"),
    [
        ("vercel/actions/.github/workflows/preview.yml@v3", "{environment: production}"),
        ("vercel/actions/.github/workflows/preview.yml@v3", "[app, environment]"),
        ("acme/shared/.github/workflows/preview-site.yml@v3", "{app: ., environment: x}"),
        ("./.github/workflows/preview.yml", "{app: ., environment: x}"),
    ],
)
def test_a_call_of_other_people_s_workflow_stays(
    previews: Run, tmp_path: Path, uses: str, inputs: str
) -> None:
    """It got the platform's repository, which has no such workflow or another one."""
    adopted(previews, repository(tmp_path))
    workflows = tmp_path / ".github/workflows"
    theirs = workflows / "preview-site.yml"
    theirs.write_text(_job(uses, inputs))
    beside = f"  site:\n    uses: {uses}\n    with: {inputs}\n"
    ours = workflows / "preview.yml"
    ours.write_text(ours.read_text() + beside)
    before = ours.read_text()
    report = upgrade(previews, tmp_path, "--platform", "acme/previews@v2")
    assert [change["path"] for change in report["changes"]] == [".github/workflows/preview.yml"]
    assert theirs.read_text() == _job(uses, inputs)
    assert ours.read_text() == before.replace("@v1", "@v2")
    assert beside in ours.read_text()


def test_an_upgrade_keeps_each_byte_besides(previews: Run, tmp_path: Path) -> None:
    adopted(previews, repository(tmp_path))
    path = tmp_path / ".github/workflows/preview.yml"
    text = path.read_text().replace("name: Previews of", "name: Vorschau für")
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    before = path.read_bytes()
    upgrade(previews, tmp_path, "--platform", "acme/previews@v2")
    assert path.read_bytes() == before.replace(b"@v1", b"@v2")


FORMER = """\
name: Previews of orders
on:
  pull_request:
    types: [labeled]
  push:
    branches: [trunk]
jobs:
  preview:
    if: github.event_name == 'pull_request'
    uses: acme/previews/.github/workflows/preview.yml@v1
    with:
      app: backend
      environment: orders-preview
"""


def test_an_upgrade_writes_a_workflow_anew_that_a_pull_request_s_own_file_starts(
    previews: Run, tmp_path: Path
) -> None:
    """The platform's workflow has no such event any more: its roles would refuse each run."""
    adopted(previews, repository(tmp_path))
    path = tmp_path / ".github/workflows/preview-orders.yml"
    path.write_text(FORMER)
    upgrade(previews, tmp_path, "--platform", "acme/previews@v2")
    expected = workflow(parse_platform("acme/previews@v2"), Path("backend"), "trunk", "orders")
    assert path.read_text() == expected


@pytest.mark.parametrize(
    "changed",
    [
        FORMER.replace("pull_request:", "pull_request_target:"),
        FORMER.replace("orders-preview", "production"),
        FORMER.replace("[trunk]", "trunk"),
        FORMER.replace("  preview:\n", "  theirs:\n"),
        FORMER.replace("/preview.yml@", "/preview-sweep.yml@"),
    ],
)
def test_a_workflow_in_a_form_of_its_own_keeps_it(changed: str) -> None:
    assert changed != FORMER
    moved = upgraded(changed, parse_platform("acme/previews@v2"))
    assert moved == changed.replace("@v1", "@v2")


@pytest.mark.parametrize("content", ["name: Größe\n".encode("latin-1"), b"jobs: [\n"])
def test_an_upgrade_leaves_a_file_that_it_can_t_read(
    previews: Run, tmp_path: Path, content: bytes
) -> None:
    adopted(previews, repository(tmp_path))
    path = tmp_path / ".github/workflows/preview-site.yml"
    path.write_bytes(content)
    report = upgrade(previews, tmp_path, "--platform", "acme/previews@v2")
    assert path.read_bytes() == content
    assert report["remarks"][0].startswith(
        ".github/workflows/preview-site.yml can't be read, so nothing is moved: "
    )


@pytest.mark.parametrize(
    "text",
    [
        *("", "acme", "acme/previews", "acme/previews@", "a b/c@d", "a/b@c;d", "a/b@-c"),
        "acme/previews@refs/tags/v1",
    ],
)
def test_a_platform_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(PreviewsError, match="expected OWNER/REPO@REF"):
        parse_platform(text)


def refused(previews: Run, folder: Path) -> tuple[str, str]:
    code, output, complaint = previews("adopt", str(folder), "--json", *PLATFORM)
    assert code == 1
    assert not list(folder.rglob("preview.yaml"))
    return json.loads(output)["error"]["code"], complaint


def test_without_a_dockerfile_it_shows_one(previews: Run, tmp_path: Path) -> None:
    code, complaint = refused(previews, repository(tmp_path, Dockerfile=None))
    assert code == "adopt-no-dockerfile"
    assert '"app.main:app", "--host", "0.0.0.0"' in complaint


def test_without_an_app_it_says_what_it_looked_for(previews: Run, tmp_path: Path) -> None:
    code, complaint = refused(previews, repository(tmp_path, app__main_DOT_py="def app(:\n"))
    assert code == "adopt-no-app"
    assert "FastAPI(...)" in complaint
    assert "app/main.py (SyntaxError" in complaint


def test_of_two_apps_one_has_to_be_named(previews: Run, tmp_path: Path) -> None:
    repository(
        tmp_path / "mono",
        {f"{one}/{name}": text for one in ("orders", "billing") for name, text in ORDERS.items()},
    )
    code, complaint = refused(previews, tmp_path / "mono")
    assert code == "adopt-several"
    assert "billing, orders" in complaint
    assert adopted(previews, tmp_path / "mono" / "orders")["remarks"] == []
    # Both projects have one name, with which one app would replace the other.
    [remark] = adopted(previews, tmp_path / "mono" / "billing")["remarks"]  # type: ignore[misc]
    assert "preview.yml is of another app called orders" in remark
    (tmp_path / "mono/.github/workflows/preview-orders.yml").unlink()
    (tmp_path / "mono/billing/preview.yaml").write_text("app: billing\n")
    assert adopted(previews, tmp_path / "mono" / "billing")["remarks"] == []
    workflows = tmp_path / "mono" / ".github/workflows"
    texts = {path.name: path.read_text() for path in workflows.iterdir()}
    assert set(texts) == {"preview.yml", "preview-billing.yml"}
    for name, app in (("preview.yml", "orders"), ("preview-billing.yml", "billing")):
        assert f"name: Previews of {app}\n" in texts[name]
        assert f"app: {app}\n      environment: {app}-preview\n" in texts[name]


@pytest.mark.parametrize(
    ("name", "content", "where"),
    [
        ("Dockerfile", DOCKERFILE + "ENV SECRET_KEY=hunter2\n", "Dockerfile line 9"),
        ("migrations/env.py", "from alembic import context\n", "alembic.ini"),
    ],
)
def test_what_stands_in_the_way_is_reported_beside_the_files(
    previews: Run, name: str, content: str, where: str, tmp_path: Path
) -> None:
    report = adopted(previews, repository(tmp_path, {**ORDERS, name: content}))
    assert where in [one["where"] for one in report["problems"]]  # type: ignore[attr-defined]
    assert "hunter2" not in json.dumps(report)


def test_outside_of_a_repository_or_without_a_folder_it_says_so(
    previews: Run, tmp_path: Path
) -> None:
    assert refused(previews, tmp_path)[0] == "adopt-no-repository"
    assert refused(previews, tmp_path / "absent")[0] == "adopt-folder"


def test_a_monorepo_s_app_is_found_beside_its_frontend(previews: Run, tmp_path: Path) -> None:
    compose = "services:\n  api:\n    build: {context: ., dockerfile: backend/Dockerfile}\n"
    repository(
        tmp_path,
        {
            **{f"backend/{name}": text for name, text in ORDERS.items()},
            "backend/Dockerfile": DOCKERFILE.replace("COPY . .", "COPY backend /app"),
            "compose.yml": compose + "  frontend:\n    build: frontend\n",
            "frontend/package.json": "{}",
            "frontend/Dockerfile": "FROM node:24\n",
        },
    )
    report = adopted(previews, tmp_path)
    app = read_app(tmp_path / "backend")
    assert (app.image.context, app.image.dockerfile) == ("..", "Dockerfile")
    assert app.database.migrate == ("alembic", "upgrade", "head")
    assert any("web.frontend" in remark for remark in report["remarks"])  # type: ignore[attr-defined]
    assert "app: backend\n" in (tmp_path / ".github/workflows/preview.yml").read_text()


def test_a_link_out_of_the_repository_is_not_written_through(previews: Run, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("mine\n")
    folder = repository(tmp_path / "orders")
    (folder / "scrub.yaml").symlink_to(other)
    code, output, _ = previews("adopt", str(folder), "--json", *PLATFORM)
    assert (code, json.loads(output)["error"]["code"]) == (1, "adopt-write")
    assert other.read_text() == "mine\n"


def test_what_is_no_file_of_the_repository_is_passed_by(previews: Run, tmp_path: Path) -> None:
    """Each of them ended the command with a traceback."""
    folder = repository(tmp_path / "orders")
    outside = tmp_path / "outside.yml"
    outside.write_text("services: {redis: {image: redis}}\n")
    for link in ("docker-compose.override.yml", "requirements-dev.txt", "start.sh", "alembic.ini~"):
        (folder / link).symlink_to("nowhere")
    (folder / "compose.yml").symlink_to(outside)
    (folder / "docker").mkdir()
    for name in ("docker/Dockerfile", "compose.d.yml", "requirements.d.txt", "Dockerfile.d"):
        (folder / name).mkdir()
    os.mkfifo(folder / "docker-compose.pipe.yml")
    (folder / "requirements-huge.txt").write_bytes(b"a" * (1024 * 1024 + 1))
    adopted(previews, folder)
    assert read_app(folder).needs.declared == frozenset()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("docker-compose.yml", "services: [redis]\n"),
        ("docker-compose.yml", "[services]\n"),
        ("docker-compose.yml", "services: {app: {build: ., volumes: 5, environment: 5}}\n"),
        ("docker-compose.yml", "services: {app: {build: ., healthcheck: [x], command: {a: b}}}\n"),
        ("docker-compose.yml", "? [a]\n: b\n"),
        ("pyproject.toml", "[tool]\nalembic = 'x'\n"),
        ("pyproject.toml", "tool = 'x'\n"),
        ("pyproject.toml", "[tool.alembic]\nscript_location = ['x']\n"),
    ],
)
def test_a_document_of_another_shape_is_passed_by(
    previews: Run, tmp_path: Path, name: str, text: str
) -> None:
    folder = repository(tmp_path)
    (folder / name).write_text(text)
    ini = folder / "alembic.ini"
    ini.write_text("[alembic]\n")
    adopted(previews, folder)


def test_tags_of_compose_are_known(previews: Run, tmp_path: Path) -> None:
    """The whole file was passed by."""
    folder = repository(tmp_path)
    (folder / "docker-compose.yml").write_text(
        "services:\n"
        "  app:\n    build: !override {context: .}\n    ports: !reset []\n"
        "  worker:\n    build: .\n    command: !override [celery, -A, app, worker]\n"
    )
    adopted(previews, folder)
    assert list(read_app(folder).workers) == ["worker"]
