"""What a stack is made from, in every state that a checkout can be in."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.errors import ProgramError
from infra.source import Checkout, Source, read_app_source, read_source

COMMITTED = "2030-01-24T13:00:00+01:00"


def git(folder: Path, *arguments: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.com",
        # Rebased later: the committer's date is the one that moves.
        "GIT_AUTHOR_DATE": "2020-01-01T00:00:00Z",
        "GIT_COMMITTER_DATE": COMMITTED,
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    done = subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, env=environment
    )
    return done.stdout.decode().strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout with one commit."""
    made = tmp_path / "orders"
    made.mkdir()
    git(made, "init", "--quiet", "--initial-branch=main")
    (made / "app.py").write_text("print(1)\n")
    (made / ".gitignore").write_text("*.log\n")
    git(made, "add", ".")
    git(made, "commit", "--quiet", "--message=one")
    return made


def test_a_clean_checkout_is_its_commit(folder: Path) -> None:
    source = read_source(Checkout(folder), ttl_days=7)
    assert source == Source(
        commit=git(folder, "rev-parse", "HEAD"),
        repository="local/orders",
        expires="2030-01-31T12:00:00Z",
    )
    assert source.short_commit == source.commit[:12]


def test_a_stack_without_a_time_to_live_never_expires(folder: Path) -> None:
    assert read_source(Checkout(folder)).expires == "never"


def test_a_changed_tree_is_told_apart_by_its_content(folder: Path) -> None:
    head = git(folder, "rev-parse", "HEAD")

    def commit() -> str:
        return read_source(Checkout(folder)).commit

    seen = [commit()]
    for text in ("print(2)\n", "print(3)\n"):
        (folder / "app.py").write_text(text)
        seen.append(commit())
    assert all(later.startswith(f"{head}-") for later in seen[1:])
    assert len(set(seen)) == 3
    assert commit() == seen[-1]
    assert Source(seen[-1], "a/b", "never").short_commit == f"{head[:12]}-{seen[-1][-8:]}"
    (folder / "app.py").write_text("print(1)\n")
    assert commit() == head


def _new(folder: Path) -> None:
    (folder / "new.py").write_text("")


def _deleted(folder: Path) -> None:
    (folder / "app.py").unlink()


def _executable(folder: Path) -> None:
    (folder / "app.py").chmod(0o755)


def _staged(folder: Path) -> None:
    (folder / "app.py").write_text("print(9)\n")
    git(folder, "add", "app.py")


def _linked(folder: Path) -> None:
    (folder / "link").symlink_to("app.py")


def _strange_name(folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9 \n.py")).write_text("1")


@pytest.mark.parametrize("change", [_new, _deleted, _executable, _staged, _linked, _strange_name])
def test_each_kind_of_change_counts(folder: Path, change: object) -> None:
    assert callable(change)
    change(folder)
    assert "-" in read_source(Checkout(folder)).commit


def test_what_is_ignored_or_pulumis_own_does_not_count(folder: Path) -> None:
    (folder / "debug.log").write_text("x")
    (folder / "Pulumi.pr-42.yaml").write_text("encryptionsalt: v1:x\n")
    (folder / "Pulumi.staging.yaml").write_text("encryptionsalt: v1:x\n")
    assert read_source(Checkout(folder)).commit == git(folder, "rev-parse", "HEAD")


@pytest.fixture
def monorepo(folder: Path) -> Path:
    """An app in a folder of a repository, of which its image reads more."""
    for path in ("backend/preview.yaml", "shared/lib.py"):
        (folder / path).parent.mkdir()
        (folder / path).write_text("{}\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message=two")
    return folder


def test_a_change_beside_the_apps_folder_counts(monorepo: Path) -> None:
    """Its image may be built from it: ``image.context: ..``."""
    head = git(monorepo, "rev-parse", "HEAD")

    def commit() -> str:
        return read_source(Checkout(monorepo / "backend")).commit

    seen = [commit()]
    for text in ("a = 1\n", "a = 2\n"):
        (monorepo / "shared" / "lib.py").write_text(text)
        seen.append(commit())
    assert seen[0] == head
    assert all(later.startswith(f"{head}-") for later in seen[1:])
    assert len(set(seen)) == 3


def test_pulumis_own_files_count_in_no_project(monorepo: Path) -> None:
    """The program's checkout has a project for each other app, which may be in it too."""
    for path in ("Pulumi.staging.yaml", "apps/orders/Pulumi.staging.yaml"):
        (monorepo / path).parent.mkdir(parents=True, exist_ok=True)
        (monorepo / path).write_text("encryptionsalt: v1:x\n")
    for app in (monorepo, monorepo / "backend"):
        assert read_source(Checkout(app)).commit == git(monorepo, "rev-parse", "HEAD")
    # An app's file of that name is in its image, perhaps.
    (monorepo / "backend" / "deploy").mkdir()
    (monorepo / "backend" / "deploy" / "Pulumi.prod.yaml").write_text("config: {}\n")
    assert "-" in read_source(Checkout(monorepo / "backend")).commit


def test_reading_leaves_the_checkout_as_it_was(folder: Path) -> None:
    (folder / "app.py").write_text("print(2)\n")

    def state() -> dict[str, bytes]:
        files = (path for path in folder.rglob("*") if path.is_file())
        return {str(path): path.read_bytes() for path in files}

    before = state()
    read_source(Checkout(folder), ttl_days=1)
    assert state() == before


@pytest.mark.parametrize(
    ("remote", "repository"),
    [
        ("https://github.example.com/acme/orders.git", "acme/orders"),
        ("https://user@github.example.com/acme/orders", "acme/orders"),
        ("git@github.example.com:acme/orders.git", "acme/orders"),
        ("ssh://git@github.example.com:2222/acme/orders.git", "acme/orders"),
        ("https://gitlab.example.com/group/sub/orders.git", "sub/orders"),
        ("/srv/git/acme/orders.git", "local/orders"),
        ("../elsewhere", "local/orders"),
    ],
)
def test_the_repository_is_the_remotes(folder: Path, remote: str, repository: str) -> None:
    git(folder, "remote", "add", "origin", remote)
    assert read_source(Checkout(folder)).repository == repository


def test_what_is_configured_is_not_asked_of_git(tmp_path: Path) -> None:
    source = read_source(
        Checkout(tmp_path / "nowhere"),
        commit="8f1d6c2",
        repository="acme/orders",
        expires=datetime(2030, 1, 31, 12, tzinfo=UTC),
        ttl_days=7,
    )
    assert source == Source("8f1d6c2", "acme/orders", "2030-01-31T12:00:00Z")


def test_no_checkout_names_the_key_to_set(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="config previews:commit: not set, and git") as caught:
        read_source(Checkout(tmp_path), repository="a/b")
    assert "pulumi config set previews:commit" in caught.value.remedy


def test_no_commit_yet_names_the_key_to_set(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    with pytest.raises(ProgramError, match="previews:commit"):
        read_source(Checkout(tmp_path), repository="a/b")
    with pytest.raises(ProgramError, match="previews:expires"):
        read_source(Checkout(tmp_path), commit="8f1d6c2", repository="a/b", ttl_days=7)


def test_no_git_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramError, match="git is not installed"):
        read_source(Checkout(tmp_path), repository="a/b")


@dataclass(frozen=True)
class Configured:
    """The keys by which a deployment without a checkout names its source."""

    source: str
    commit: str = "c" * 40
    repository: str = "acme/orders"


def test_an_app_outside_of_a_checkout_has_the_source_that_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files were fetched one by one, and git knows nothing of them."""
    monkeypatch.setenv("PATH", str(tmp_path))
    source = read_app_source(
        Configured(str(tmp_path)), expires=datetime(2030, 1, 31, 12, tzinfo=UTC), ttl_days=7
    )
    assert source == Source("c" * 40, "acme/orders", "2030-01-31T12:00:00Z")


def test_without_a_checkout_the_expiry_has_to_be_configured(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="previews:expires"):
        read_app_source(Configured(str(tmp_path)), ttl_days=7)
