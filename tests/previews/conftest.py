"""A terminal and an environment of the tests' own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator

import httpx
import pytest
import respx
from botocore.handlers import BUILTIN_HANDLERS

from tests.previews.answers import REPOSITORY
from tests.previews.aws_calls import require_recorded

API = "https://api.github.test"

# Every session of boto3's takes these when it is made.
BUILTIN_HANDLERS.append(("provide-client-params", require_recorded))

_OURS = ("GITHUB_", "PREVIEWS_", "PULUMI_", "AWS_")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of whoever runs the tests out of them."""
    for name in os.environ:
        if name.startswith(_OURS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GITHUB_TOKEN", "no-real-token")
    monkeypatch.setenv("GITHUB_REPOSITORY", REPOSITORY)
    monkeypatch.setenv("GITHUB_API_URL", API)


@pytest.fixture
def github() -> Iterator[respx.MockRouter]:
    """GitHub's API; a request that nothing answers fails the test."""
    with respx.mock(base_url=f"{API}/repos/{REPOSITORY}", assert_all_called=False) as router:
        yield router


@pytest.fixture
def previews(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """What a person gets who types ``previews <arguments>``: exit code, output, complaints."""
    from previews import cli

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["previews", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


def unreachable(_request: httpx.Request) -> httpx.Response:
    """What happens where there is no network."""
    msg = "no route to host"
    raise httpx.ConnectError(msg)
