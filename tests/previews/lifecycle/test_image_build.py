"""The build of an app's image in CI: as preview.yaml has it, with nothing that a shell reads."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "outputs"
    monkeypatch.setenv("GITHUB_OUTPUT", str(file))
    return file


def described(folder: Path, text: str) -> Path:
    home = folder / "repository" / "backend"
    home.mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet", home.parent], check=True)
    (home / "preview.yaml").write_text(text)
    return home


def test_the_outputs_are_those_of_the_description(
    previews: Run, tmp_path: Path, outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = described(
        tmp_path,
        """
app: orders
image:
  context: ..
  dockerfile: ../docker/api.Dockerfile
  target: production
  args: { PYTHON: 3.13, INDEX: "https://x.test/?a=1&b=$(id)" }
""",
    )
    monkeypatch.setenv("PREVIEWS_APP", str(home))
    assert previews("app", "image")[0] == 0
    *paths, target, start, python, index, end = outputs.read_text().splitlines()
    root = home.parent.resolve()
    assert paths == [f"context={root}", f"dockerfile={root}/docker/api.Dockerfile"]
    assert target == "target=production"
    assert (python, index) == ("PYTHON=3.13", "INDEX=https://x.test/?a=1&b=$(id)")
    assert start == f"args<<{end}"
    assert len(end) > 32
    previews("app", "image")
    assert end not in outputs.read_text().splitlines()[-1], "nobody can know the word before"


def test_the_platform_s_own_app_is_built_from_the_checkout(
    previews: Run, tmp_path: Path, outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREVIEWS_APP", "")
    monkeypatch.chdir(tmp_path)
    Path("preview.yaml").write_text("service: { port: 8000 }\n")
    code, output, _ = previews("app", "image", "--json")
    assert code == 0
    root = str(tmp_path.resolve())
    build = {"context": root, "dockerfile": f"{root}/Dockerfile", "target": "", "args": {}}
    assert json.loads(output) == build
    assert outputs.read_text().startswith(f"context={root}\n")


@pytest.mark.parametrize("value", ["a\\nb", "#fff", 'say \\"hi\\"', " x"])
def test_an_argument_that_would_arrive_otherwise_is_refused(
    previews: Run, tmp_path: Path, outputs: Path, value: str
) -> None:
    home = described(tmp_path, f'app: orders\nimage: {{ args: {{ COLOR: "{value}" }} }}\n')
    code, output, _ = previews("app", "image", str(home), "--json")
    error = json.loads(output)["error"]
    assert (code, error["code"]) == (1, "image-argument")
    assert "image.args.COLOR" in error["what"]
    assert not outputs.exists()


@pytest.mark.parametrize("key", ["context", "dockerfile", "target"])
def test_a_line_break_makes_no_further_output(
    previews: Run, tmp_path: Path, outputs: Path, key: str
) -> None:
    home = described(tmp_path, f'app: orders\nimage: {{ {key}: "a\\ntarget=b" }}\n')
    code, output, _ = previews("app", "image", str(home), "--json")
    assert (code, json.loads(output)["error"]["code"]) == (1, "app-description")
    assert not outputs.exists()


def test_a_folder_outside_of_the_repository_is_not_built(
    previews: Run, tmp_path: Path, outputs: Path
) -> None:
    home = described(tmp_path, "app: orders\nimage: { context: ../.. }\n")
    code, output, _ = previews("app", "image", str(home), "--json")
    assert (code, json.loads(output)["error"]["code"]) == (1, "app-description")
    assert not outputs.exists()
