"""Causes of failed builds from the compiler's last lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.tools.failures import explain


@pytest.mark.parametrize(
    ("line", "cause", "remedy"),
    [
        (
            "write /c/b001/_pkg_.a: no space left on device",
            "the disk is full",
            "SANDBOX_CACHE=<folder>",
        ),
        (
            "go: a@v1: Get proxy: dial tcp: lookup proxy: no such host",
            "the module proxy can't be reached",
            "check the network",
        ),
        (
            "go: a@v1: reading a.info: 403 Forbidden",
            "the module proxy refuses a module",
            "use a proxy that has it",
        ),
        (
            "verifying a@v1: checksum mismatch",
            "a download is not what go.sum pins",
            "don't continue",
        ),
        (
            "go: go.mod requires go >= 1.27 (running go 1.26; GOTOOLCHAIN=local)",
            "the Go compiler is too old",
            "install a newer one",
        ),
        (
            "k8s.io/api: /go/compile: signal: killed",
            "lack of memory",
            "4 GiB",
        ),
        ("main.go:3: undefined: x", "the compiler failed", "read the log"),
    ],
)
def test_each_cause_has_its_remedy(tmp_path: Path, line: str, cause: str, remedy: str) -> None:
    log = tmp_path / "log"
    log.write_text(f"first\n\n{line}\n")
    error = explain("pulumi 3", log)
    assert error.what == "building pulumi 3"
    assert cause in error.why
    assert line in error.why
    assert str(log) in error.why
    assert remedy in error.remedy


def test_the_first_cause_of_the_last_lines_counts(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("a: signal: killed\nb: no space left on device\nc: exit status 1\n")
    assert "the disk is full" in explain("x", log).why
    log.write_text("a: no space left on device\n" + "b\n\n" * 11)
    assert "the disk is full" in explain("x", log).why
    log.write_text("a: no space left on device\n" + "b\n\n" * 12)
    assert "the compiler failed" in explain("x", log).why


def test_only_the_last_lines_are_shown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    error = explain("pulumi 3", log)
    assert "line 99" in error.why
    assert "line 88" in error.why
    assert "line 87" not in error.why
