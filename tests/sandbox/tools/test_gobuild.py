"""Building from a module: progress, patches, files, failures."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from sandbox.errors import SandboxError
from sandbox.tools import recipes
from sandbox.tools.compiler import Compiler
from sandbox.tools.gobuild import Builder, apply_edit
from sandbox.tools.recipes import Edit, GoBinary, ModuleFiles, PatchedModule, Recipe
from tests.sandbox.tools.fakes import BUILDS, RecordingReport, fake_go

EDIT = Edit("pkg/a.go", before="old()", after="new()")


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "modules"
    (folder / "tool").mkdir(parents=True)
    (folder / "tool" / "go.mod").write_text("module sandbox/tool\n\ngo 1.26\n")
    monkeypatch.setattr(recipes, "MODULES", folder)
    return folder


def _recipe(patched: PatchedModule | None = None, files: tuple[ModuleFiles, ...] = ()) -> Recipe:
    binary = GoBinary("tool", "tool", defines=(("main.v", "1"),), patched=patched)
    return Recipe("tool", "1", ("tool", "alias"), (binary,), (("alias", "tool"),), files)


def _build(tmp_path: Path, recipe: Recipe, compiler: Compiler, report: RecordingReport) -> Path:
    folder = tmp_path / "made"
    folder.mkdir()
    Builder().build(recipe, folder, compiler, tmp_path / "log", report)
    return folder


def test_progress_counts_the_packages_to_compile(tmp_path: Path, modules: Path) -> None:
    report = RecordingReport()
    folder = _build(tmp_path, _recipe(), fake_go(tmp_path / "go", BUILDS), report)
    assert report.steps == ["downloading modules", "waiting for its turn", "compiling", "linking"]
    assert report.expected == report.built == ["example.com/a", "sandbox/main"]
    assert (folder / "bin" / "alias").resolve() == folder / "bin" / "tool"
    assert sorted(path.name for path in folder.iterdir()) == ["bin"]
    assert "go: downloading example.com/a v1.0.0" in (tmp_path / "log").read_text()


def test_the_flags_make_it_reproducible(tmp_path: Path, modules: Path) -> None:
    go = fake_go(tmp_path / "go", f"print(arguments)\n{BUILDS}")
    _build(tmp_path, _recipe(), go, RecordingReport())
    log = (tmp_path / "log").read_text()
    assert "'-mod=readonly', '-trimpath', '-buildvcs=false'" in log
    assert "'-ldflags=-s -w -X main.v=1'" in log


def test_a_patched_module_is_copied_edited_and_overlaid(tmp_path: Path, modules: Path) -> None:
    published = tmp_path / "cache" / "example.com@v1"
    (published / "pkg" / "testdata").mkdir(parents=True)
    (published / "other").mkdir()
    (published / "go.mod").write_text("module example.com\n")
    (published / "pkg" / "a.go").write_text("old()\n")
    (published / "pkg" / "a_test.go").write_text("tests\n")
    (published / "pkg" / "setup_cloud.go").write_text("left out\n")
    (published / "pkg" / "a.go").chmod(0o444)
    (published / "pkg").chmod(0o555)
    (modules / "tool" / "published").mkdir()
    (modules / "tool" / "overlay" / "pkg").mkdir(parents=True)
    (modules / "tool" / "overlay" / "pkg" / "b.go").write_text("overlaid\n")
    seen = tmp_path / "seen"
    go = fake_go(
        tmp_path / "go",
        f"""
import shutil
if arguments[:3] == ["mod", "download", "-json"]:
    assert os.getcwd().endswith("/published")
    print("go: downloading it")
    print(json.dumps({{"Dir": {str(published)!r}}}))
elif arguments[0] == "build":
    shutil.copytree("source", {str(seen)!r})
{BUILDS}""",
    )
    patched = PatchedModule("example.com", ("pkg",), ("pkg/setup_*.go",), (EDIT,))
    _build(tmp_path, _recipe(patched), go, RecordingReport())
    files = {str(p.relative_to(seen)) for p in seen.rglob("*") if p.is_file()}
    assert files == {"go.mod", "pkg/a.go", "pkg/b.go"}
    assert (seen / "pkg" / "a.go").read_text() == "new()\n"


@pytest.mark.parametrize("text", ["something else", "old() old()"])
def test_an_edit_that_does_not_fit_stops_the_build(tmp_path: Path, text: str) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "a.go").write_text(text)
    with pytest.raises(SandboxError, match=r"edit of pkg/a.go: expected this text once"):
        apply_edit(EDIT, tmp_path)


def test_an_edit_reaches_through_the_end_that_it_names(tmp_path: Path) -> None:
    edit = Edit("a.go", before="if a {\n", through="\n}\n")
    (tmp_path / "a.go").write_text("head\nif a {\n\tb()\n}\ntail\n}\n")
    apply_edit(edit, tmp_path)
    assert (tmp_path / "a.go").read_text() == "head\ntail\n}\n"

    (tmp_path / "a.go").write_text("if a {\n\tb()")
    with pytest.raises(SandboxError, match=r"found it 0 times:\nif a \{\n\nthrough:"):
        apply_edit(edit, tmp_path)


def test_two_tools_compile_one_after_the_other(tmp_path: Path, modules: Path) -> None:
    """Two at once would each compile what they share; the second downloads meanwhile."""
    busy, listed = tmp_path / "busy", tmp_path / "listed"
    listed.mkdir()
    go = fake_go(
        tmp_path / "go",
        f"""
import time
if arguments[0] == "list":
    open({str(listed)!r} + f"/{{os.getpid()}}", "w").close()
elif arguments[0] == "build":
    os.mkdir({str(busy)!r})
    while len(os.listdir({str(listed)!r})) < 3:
        time.sleep(0.01)
    os.rmdir({str(busy)!r})
{BUILDS}""",
    )
    builder = Builder()
    failed: list[SandboxError] = []

    def build(folder: Path) -> None:
        folder.mkdir()
        try:
            builder.build(_recipe(), folder, go, folder / "log", RecordingReport())
        except SandboxError as error:
            failed.append(error)

    threads = [threading.Thread(target=build, args=(tmp_path / name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []


def test_files_of_a_module_are_copied(tmp_path: Path, modules: Path) -> None:
    published = tmp_path / "cache"
    (published / "dist").mkdir(parents=True)
    for name in ("helper-python", "helper-python.cmd", "readme"):
        (published / "dist" / name).write_text(name)
    download = f"""
if arguments[:2] == ["mod", "download"]:
    print(json.dumps({{"Dir": {str(published)!r}}}))
"""
    files = (ModuleFiles("tool", "example.com", "dist/helper-*python", "bin"),)
    go = fake_go(tmp_path / "go", download + BUILDS)
    folder = _build(tmp_path, _recipe(files=files), go, RecordingReport())
    names = {path.name for path in (folder / "bin").iterdir()}
    assert names == {"tool", "alias", "helper-python"}
    assert (folder / "bin" / "helper-python").stat().st_mode & 0o111


def test_a_failing_build_shows_its_last_lines_and_the_log(tmp_path: Path, modules: Path) -> None:
    go = fake_go(tmp_path / "go", "print('a.go:1: syntax error'); sys.exit(1)")
    with pytest.raises(SandboxError, match=r"a\.go:1: syntax error") as caught:
        _build(tmp_path, _recipe(), go, RecordingReport())
    assert str(tmp_path / "log") in caught.value.why


def test_stop_ends_what_runs_and_what_would_follow(tmp_path: Path, modules: Path) -> None:
    running = tmp_path / "running"
    running_body = f"import time; open({str(running)!r}, 'w').close(); time.sleep(600)"
    go = fake_go(tmp_path / "go", running_body)
    builder = Builder()
    ended: list[BaseException] = []

    def build() -> None:
        (tmp_path / "made").mkdir()
        try:
            builder.build(_recipe(), tmp_path / "made", go, tmp_path / "log", RecordingReport())
        except SandboxError as error:
            ended.append(error)

    thread = threading.Thread(target=build)
    thread.start()
    while not running.exists():
        thread.join(0.02)
    builder.stop()
    thread.join(10)
    assert len(ended) == 1
    (tmp_path / "later").mkdir()
    with pytest.raises(SandboxError):
        builder.build(_recipe(), tmp_path / "later", go, tmp_path / "log", RecordingReport())
