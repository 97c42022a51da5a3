"""Releases are downloaded from a server on this machine that stands for their publisher's."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from sandbox import cli
from sandbox.errors import SandboxError
from sandbox.settings import Settings
from sandbox.tools import ensure, provide, recipes, released, status
from sandbox.tools.cache import Cache
from sandbox.tools.recipes import GoBinary, Recipe
from sandbox.tools.released import Release, download, pin, pins
from tests.published_program import published_program
from tests.sandbox.tools.fakes import BUILDS, RecordingReport, fake_go

_ARCHIVE = "tool-1-{}.tar.gz"
_NAMES = [_ARCHIVE.format("x64"), _ARCHIVE.format("arm64")]
_SECONDS = 20
_PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")


def _packed(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        link = tarfile.TarInfo("tool/tool-link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


ARCHIVE = _packed(
    {"tool/tool": b"released", "../../tool-host": b"host", "tool/README": b"not kept"}
)


@dataclass
class Publisher:
    """A server of files.

    Attributes:
        files: Files by path.
        asked: Each path that it was asked for.
        sent: Number of bytes that it sends at once; None for all.
        hold: Called with each path, before the answer and after each part of it.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    sent: int | None = None
    hold: Callable[[str], bool] = lambda _: True

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        self.hold(request.path)
        if request.path.startswith("/moved/"):
            request.send_response(302)
            request.send_header("Location", request.path.removeprefix("/moved"))
            request.end_headers()
            return
        content = self.files.get(request.path)
        if content is None:
            request.send_error(404)
            return
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        size = self.sent or len(content)
        for start in range(0, len(content), size):
            request.wfile.write(content[start : start + size])
            request.wfile.flush()
            if not self.hold(request.path):
                return

    def stop_after_a_part(self, begun: threading.Event, go_on: threading.Event) -> None:
        """Send a first part of what is asked for, and the rest when it may go on."""
        held: list[str] = []

        def hold(path: str) -> bool:
            held.append(path)
            if len(held) == 2:
                begun.set()
                go_on.wait(_SECONDS)
            return True

        self.sent, self.hold = 10, hold


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    publisher = Publisher()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with contextlib.suppress(ConnectionError):  # Some downloads end before they are whole.
                publisher.answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its base's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        publisher.url = f"http://127.0.0.1:{server.server_port}"
        publisher.files = {f"/{name}": ARCHIVE for name in _NAMES}
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield publisher
        server.shutdown()


@pytest.fixture
def release(publisher: Publisher) -> Release:
    return Release(publisher.url, _ARCHIVE, "sums.txt", kept=("tool", "tool-*"), amd64="x64")


@pytest.fixture(autouse=True)
def pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in _PROXIES:
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "released.toml"
    monkeypatch.setattr(released, "PINS", path)
    _pin(path, ARCHIVE)
    return path


def _pin(path: Path, content: bytes) -> None:
    checksum = hashlib.sha256(content).hexdigest()
    path.write_text("".join(f'"{name}" = "{checksum}"\n' for name in _NAMES))


@dataclass
class Machine:
    """A machine whose only tool is ``tool``, which its Go can build."""

    settings: Settings
    recipe: Recipe
    output: io.StringIO = field(default_factory=io.StringIO)

    def ensure(self) -> Path:
        tools = ensure(self.settings, ["tool"], Console(file=self.output, width=400))
        return tools.program("tool")

    @property
    def lines(self) -> list[str]:
        return self.output.getvalue().splitlines()

    @property
    def left(self) -> list[Path]:
        return [p for p in self.settings.cache.iterdir() if p.name not in {"locks", "logs"}]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, release: Release) -> Machine:
    for name in ("tool", "other"):
        (tmp_path / "modules" / name).mkdir(parents=True)
        (tmp_path / "modules" / name / "go.mod").write_text(f"module sandbox/{name}\n")
    monkeypatch.setattr(recipes, "MODULES", tmp_path / "modules")
    fake_go(tmp_path / "go", BUILDS)
    monkeypatch.setenv("PATH", f"{tmp_path / 'go'}:{os.environ['PATH']}")
    recipe = Recipe("tool", "1", ("tool",), (GoBinary("tool", "tool"),), disk_gib=0)
    machine = Machine(Settings(home=tmp_path / "home", cache=tmp_path / "cache"), recipe)
    _offer(monkeypatch, replace(recipe, release=release))
    return machine


def _offer(monkeypatch: pytest.MonkeyPatch, *catalogue: Recipe) -> None:
    for module in (recipes, provide):
        monkeypatch.setattr(module, "CATALOGUE", catalogue)


def test_a_pinned_release_is_downloaded_once_and_nothing_is_built(
    machine: Machine, publisher: Publisher
) -> None:
    program = machine.ensure()
    assert program.read_bytes() == b"released"
    assert os.access(program, os.X_OK)
    assert [line.partition(" after ")[0] for line in machine.lines] == [
        "tool 1: downloading",
        "tool 1: downloaded",
    ]
    # A path in the archive leads nowhere else, a link is not made, and the archive is gone.
    (folder,) = machine.left
    assert sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file()) == [
        Path("bin/tool"),
        Path("bin/tool-host"),
    ]

    assert machine.ensure() == program
    assert len(publisher.asked) == 1


def test_a_program_of_the_tests_is_downloaded_likewise(
    release: Release, publisher: Publisher, machine: Machine
) -> None:
    for _ in range(2):
        program = published_program("example.com/cmd/tool", "1", release, machine.settings)
        assert program.read_bytes() == b"released"
    assert len(publisher.asked) == 1


def test_where_it_moved_to_is_followed(
    release: Release, publisher: Publisher, tmp_path: Path
) -> None:
    report = RecordingReport()
    moved = replace(release, place=f"{publisher.url}/moved")
    assert download(moved, tmp_path / "bin", report, threading.Event())
    assert (tmp_path / "bin" / "tool").read_bytes() == b"released"
    assert report.sizes[-1] == (len(ARCHIVE), len(ARCHIVE))


def test_a_proxy_of_the_environment_is_asked(
    release: Release, publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", publisher.url)
    publisher.files = {f"http://publisher.invalid{path}": c for path, c in publisher.files.items()}
    behind = replace(release, place="http://publisher.invalid")
    assert download(behind, tmp_path / "bin", RecordingReport(), threading.Event())


def test_another_checksum_is_an_error_and_nothing_is_built_instead(
    machine: Machine, publisher: Publisher, pinned: Path
) -> None:
    _pin(pinned, b"what was published")
    with pytest.raises(SandboxError) as caught:
        machine.ensure()
    name = publisher.asked[0].removeprefix("/")
    assert caught.value.what == f"download of {publisher.url}/{name}"
    assert hashlib.sha256(ARCHIVE).hexdigest() in caught.value.why
    assert hashlib.sha256(b"what was published").hexdigest() in caught.value.why
    assert f"{publisher.url}/sums.txt" in caught.value.remedy
    assert str(pinned) in caught.value.remedy
    assert machine.left == []


def test_no_more_is_read_than_an_archive_can_have(
    machine: Machine, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(released, "_LARGEST", 10)
    with pytest.raises(SandboxError, match="its SHA-256 is"):
        machine.ensure()
    assert machine.left == []


def _is_built(machine: Machine, why: str) -> None:
    assert machine.ensure().read_text() == "binary"
    said = [line for line in machine.lines if "building it instead" in line]
    assert len(said) == 1
    assert re.search(rf"^tool 1: tool-1-\w+\.tar\.gz can't be downloaded \(.*{why}.*\)", said[0])
    (folder,) = machine.left
    assert [p.name for p in (folder / "bin").iterdir()] == ["tool"]


def test_a_host_that_refuses_has_the_tool_built(
    machine: Machine, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = replace(release, place="http://127.0.0.1:1")
    _offer(monkeypatch, replace(machine.recipe, release=closed))
    _is_built(machine, "refused")


def test_a_name_that_leads_nowhere_has_the_tool_built(
    machine: Machine, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = replace(release, place="http://publisher.invalid")
    _offer(monkeypatch, replace(machine.recipe, release=nowhere))
    _is_built(machine, "")


def test_a_host_that_says_nothing_has_the_tool_built(
    machine: Machine, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    publisher.hold = lambda _: over.wait(_SECONDS)
    monkeypatch.setattr(released, "_TIMEOUT", httpx.Timeout(0.2))
    _is_built(machine, "timed out")
    over.set()


def test_connecting_is_given_up_within_seconds() -> None:
    assert released._TIMEOUT.connect == 3


def test_a_file_that_is_not_there_has_the_tool_built(
    machine: Machine, publisher: Publisher
) -> None:
    publisher.files = {}
    _is_built(machine, "404")


def test_a_download_that_breaks_off_has_the_tool_built(
    machine: Machine, publisher: Publisher
) -> None:
    publisher.sent = 10
    parts: list[str] = []

    def breaks_off(path: str) -> bool:
        parts.append(path)
        return len(parts) < 2

    publisher.hold = breaks_off
    _is_built(machine, "received 10 bytes")


def test_a_download_that_takes_too_long_has_the_tool_built(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(released, "_SECONDS", -1)
    _is_built(machine, "not complete after")


def test_what_is_not_pinned_is_never_asked_for(
    machine: Machine, publisher: Publisher, pinned: Path
) -> None:
    pinned.write_text("")
    assert machine.ensure().read_text() == "binary"
    assert publisher.asked == []


def test_an_archive_without_the_program_is_an_error(
    machine: Machine, publisher: Publisher, pinned: Path
) -> None:
    other = _packed({"tool/tool-host": b"host"})
    publisher.files = dict.fromkeys(publisher.files, other)
    _pin(pinned, other)
    with pytest.raises(SandboxError, match=r"is the pinned one, and has no file tool\n") as caught:
        machine.ensure()
    assert "recipe" in caught.value.remedy
    assert machine.left == []


_DOWNLOADS = """
import sys, threading
from pathlib import Path
from sandbox.tools import released
from sandbox.tools.cache import Cache
from tests.sandbox.tools.fakes import RecordingReport
released.PINS = Path(sys.argv[3])
release = released.Release(sys.argv[2], "tool-1-{}.tar.gz", "", ("tool",), "x64")
with Cache(Path(sys.argv[1])).making("tool-1", print) as folder:
    released.download(release, folder / "bin", RecordingReport(), threading.Event())
"""


def test_a_download_that_is_killed_leaves_nothing_half_made(
    release: Release, publisher: Publisher, pinned: Path, tmp_path: Path
) -> None:
    half, over = threading.Event(), threading.Event()
    publisher.stop_after_a_part(half, over)
    root = tmp_path / "cache"
    killed = subprocess.Popen(
        [sys.executable, "-c", _DOWNLOADS, str(root), publisher.url, str(pinned)]
    )
    assert half.wait(_SECONDS)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    over.set()
    cache = Cache(root)
    assert cache.finished("tool-1") is None

    with cache.making("tool-1", print) as folder:
        assert folder is not None
        assert list(root.glob(".making-*")) == [folder]
        assert download(release, folder / "bin", RecordingReport(), threading.Event())
    assert (root / "tool-1" / "bin" / "tool").read_bytes() == b"released"


def test_two_runs_at_once_download_once(
    machine: Machine, publisher: Publisher, tmp_path: Path
) -> None:
    asked, waits = threading.Event(), threading.Event()

    class Hearing(io.StringIO):
        def write(self, text: str) -> int:
            if "waiting for process" in text:
                waits.set()
            return super().write(text)

    def hold(_: str) -> bool:
        asked.set()
        return waits.wait(_SECONDS)

    publisher.hold = hold
    elsewhere = Settings(home=tmp_path / "second", cache=machine.settings.cache)
    second = replace(machine, settings=elsewhere, output=Hearing())
    programs: list[bytes] = []
    threads = [
        threading.Thread(target=lambda each=each: programs.append(each.ensure().read_bytes()))
        for each in (machine, second)
    ]
    threads[0].start()
    assert asked.wait(_SECONDS)
    threads[1].start()
    for thread in threads:
        thread.join(_SECONDS)
    assert programs == [b"released", b"released"]
    assert len(publisher.asked) == 1
    assert "made by another run" in second.output.getvalue()


def test_the_failure_of_another_tool_ends_a_download(
    machine: Machine,
    release: Release,
    publisher: Publisher,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began, told = threading.Event(), threading.Event()

    class Told(threading.Event):
        def set(self) -> None:
            super().set()
            told.set()

    def broken(*_: object) -> None:
        assert began.wait(_SECONDS)
        raise SandboxError("building other", why="broken", remedy="mend it.")

    monkeypatch.setattr(provide, "Event", Told)
    monkeypatch.setattr(provide.Builder, "build", broken)
    publisher.stop_after_a_part(began, told)
    other = Recipe("other", "1", ("other",), (GoBinary("other", "other"),), disk_gib=0)
    _offer(monkeypatch, replace(machine.recipe, release=release), other)
    with pytest.raises(SandboxError, match="building other"):
        ensure(machine.settings, console=Console(file=machine.output))
    assert {each.name: each.source for each in status(machine.settings)}["tool"] == "missing"


def test_the_name_in_the_cache_follows_the_pin(machine: Machine, pinned: Path) -> None:
    def name(release: Release | None) -> str:
        return replace(machine.recipe, release=release).folder_name

    release = provide.CATALOGUE[0].release
    assert release is not None
    first = name(release)
    assert first == name(release)
    _pin(pinned, b"another")
    second = name(release)
    pinned.write_text("")
    assert len({first, second, name(release)}) == 3
    assert name(release) == name(None)


def _sums(names: list[str], content: bytes = ARCHIVE) -> bytes:
    checksum = hashlib.sha256(content).hexdigest()
    return "".join(f"{checksum}  {name}\n" for name in ["other.zip", *names]).encode()


def test_pinning_takes_what_the_publisher_says(
    release: Release, publisher: Publisher, pinned: Path, tmp_path: Path
) -> None:
    pinned.write_text('"tool-0-x64.tar.gz" = "of a version before"\n')
    publisher.files["/sums.txt"] = _sums(_NAMES)
    pin([release])
    assert pins() == dict.fromkeys(_NAMES, hashlib.sha256(ARCHIVE).hexdigest())
    assert pinned.read_text().startswith("# ")
    assert download(release, tmp_path / "bin", RecordingReport(), threading.Event())


@pytest.mark.parametrize(
    ("sums", "why"),
    [
        (None, "404"),
        (_sums(_NAMES[:1]), "does not contain every archive"),
        (b"<html>", "does not contain every archive"),
        (_sums(_NAMES, b"replaced"), "was replaced"),
    ],
)
def test_what_can_not_be_pinned_keeps_its_pins_and_the_rest_is_pinned(
    release: Release, publisher: Publisher, sums: bytes | None, why: str
) -> None:
    before = pins()
    if sums is not None:
        publisher.files["/sums.txt"] = sums
    good = replace(release, archive="good-{}.tar.gz", checksums="good.txt")
    publisher.files["/good.txt"] = _sums(["good-x64.tar.gz", "good-arm64.tar.gz"])
    with pytest.raises(SandboxError, match=rf"sums\.txt: .*{why}"):
        pin([release, good])
    assert pins().keys() == {*before, "good-x64.tar.gz", "good-arm64.tar.gz"}
    assert before.items() <= pins().items()


def test_the_command_pins_every_release(
    release: Release, publisher: Publisher, pinned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned.write_text("")
    publisher.files["/sums.txt"] = _sums(_NAMES)
    monkeypatch.setattr(recipes, "RELEASES", (release,))
    monkeypatch.setattr(sys, "argv", ["sandbox", "tools", "--pin"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    assert pins().keys() == set(_NAMES)
