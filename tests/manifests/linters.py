"""checkov and kube-score: each made once, and kept where the sandbox's tools are."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from sandbox.settings import PROJECT_ROOT, Settings
from sandbox.tools.cache import Cache
from sandbox.tools.progress import display
from sandbox.tools.recipes import KUBE_SCORE, KUBE_SCORE_VERSION
from tests.published_program import published_program

_KUBE_SCORE = "github.com/zegl/kube-score/cmd/kube-score"
_LOCK = PROJECT_ROOT / "requirements" / "checkov.txt"
_SECONDS = 600
_BELOW_OK = 10


@dataclass(frozen=True)
class Finding:
    """What a linter says of an object.

    Attributes:
        check: The check, by the linter's name for it.
        kind: The object's kind.
        name: Its name.
        message: What is wrong.
    """

    check: str
    kind: str
    name: str
    message: str


def kube_score() -> Path:
    """The program."""
    return published_program(_KUBE_SCORE, KUBE_SCORE_VERSION, KUBE_SCORE)


def checkov() -> list[str]:
    """The command; its hundred packages are pinned, and in an environment of their own."""
    digest = hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:12]
    name = f"checkov-{digest}"
    cache = Cache(Settings().cache)
    uv = str(Path(sys.executable).with_name("uv"))
    with display(Console(stderr=True)) as report_for:
        report = report_for(name)
        with cache.making(name, report.message) as folder:
            if folder is not None:
                report.step("installing from its lock")
                home = str(folder / "environment")
                for arguments in (
                    ["venv", "--python", sys.executable, home],
                    ["pip", "sync", "--require-hashes", "--python", home, str(_LOCK)],
                ):
                    subprocess.run([uv, *arguments, "--quiet"], check=True, timeout=_SECONDS)
                report.done("installed")
    # Not its script, which names the folder that it was installed in.
    return [str(cache.root / name / "environment" / "bin" / "python"), "-m", "checkov.main"]


def kube_score_findings(manifests: Path) -> list[Finding]:
    """What kube-score says of all objects in a file."""
    done = subprocess.run(
        [kube_score(), "score", "--output-format=json", str(manifests)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return list(_scores(json.loads(done.stdout)))


def _scores(scored: list[dict[str, Any]]) -> Iterator[Finding]:
    assert scored
    for entry in scored:
        for check in entry["checks"]:
            if check["skipped"] or check["grade"] >= _BELOW_OK:
                continue
            comments = check["comments"] or [{"summary": check["check"]["name"]}]
            for comment in comments:
                yield Finding(
                    check["check"]["id"],
                    entry["type_meta"]["kind"],
                    entry["object_meta"]["name"],
                    comment["summary"],
                )


def kube_score_checks() -> set[str]:
    """The names of kube-score's checks that it makes unasked."""
    listed = subprocess.run([kube_score(), "list"], capture_output=True, text=True, check=True)
    rows = [line.split(",") for line in listed.stdout.splitlines()]
    return {row[0] for row in rows if row[-1] == "default"}


def checkov_findings(folder: Path) -> list[Finding]:
    """What checkov says of all objects in a folder."""
    report = _checkov(folder)["results"]
    # What it could not read it has not looked at.
    assert report["parsing_errors"] == []
    return [
        # <kind>.<namespace>.<name>
        Finding(
            found["check_id"],
            found["resource"].split(".")[0],
            found["resource"].split(".", 2)[2],
            found["check_name"],
        )
        for found in report["failed_checks"]
    ]


def checkov_passed(folder: Path) -> set[str]:
    """The names of the checks that some object passed."""
    return {passed["check_id"] for passed in _checkov(folder)["results"]["passed_checks"]}


def _checkov(folder: Path) -> dict[str, Any]:
    options = ["--framework=kubernetes", "--output=json", "--compact", "--skip-download"]
    done = subprocess.run(
        [*checkov(), "--directory", str(folder), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))
