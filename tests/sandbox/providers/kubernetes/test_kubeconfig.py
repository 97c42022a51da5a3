from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.errors import SandboxError
from sandbox.providers.kubernetes.kubeconfig import resolve


def _config(user: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "current-context": "sandbox",
        "contexts": [
            {"name": "sandbox", "context": {"cluster": "one", "user": "me", "namespace": "pr-42"}},
            {"name": "other", "context": {"cluster": "two", "user": "me"}},
        ],
        "clusters": [
            {"name": "one", "cluster": {"server": "https://one:6443"}},
            {"name": "two", "cluster": {"server": "https://two:6443"}},
        ],
        "users": [{"name": "me", "user": user if user is not None else {"token": "hunter2"}}],
    }


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(_config()))
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


def test_the_environments_current_context_is_taken(path: Path) -> None:
    cluster = resolve(None, None)
    assert (cluster.server, cluster.namespace, cluster.token) == (
        "https://one:6443",
        "pr-42",
        "hunter2",
    )


def test_a_context_is_taken_by_its_name(path: Path) -> None:
    cluster = resolve(None, "other")
    assert (cluster.server, cluster.namespace) == ("https://two:6443", "default")


def test_the_program_may_give_contents_or_a_path(path: Path, monkeypatch: Any) -> None:
    monkeypatch.delenv("KUBECONFIG")
    assert resolve(path.read_text(), "other") == resolve(str(path), "other")


def test_a_context_that_is_not_there_is_named_with_those_that_are(path: Path) -> None:
    with pytest.raises(SandboxError, match=r"'nowhere'(.|\n)*sandbox, other") as caught:
        resolve(None, "nowhere")
    assert str(path) in str(caught.value)


def test_credentials_that_are_not_known_are_refused(path: Path) -> None:
    path.write_text(yaml.safe_dump(_config({"exec": {"command": "aws"}})))
    with pytest.raises(SandboxError, match="does not know exec"):
        resolve(None, None)


@pytest.mark.parametrize("text", ["a: [", "- a", ""])
def test_what_is_no_kubeconfig_is_refused(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(SandboxError, match="kubeconfig"):
        resolve(None, None)


def test_a_missing_file_is_named(path: Path) -> None:
    path.unlink()
    with pytest.raises(SandboxError, match="No such file"):
        resolve(None, None)


def test_credentials_do_not_show(path: Path) -> None:
    assert "hunter2" not in repr(resolve(None, None))


def test_a_servers_options_that_are_not_known_are_refused(path: Path) -> None:
    document = _config()
    document["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = True
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(SandboxError, match="does not know insecure-skip-tls-verify"):
        resolve(None, None)
