"""An app is checked before anything is made for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from previews.errors import PreviewsError
from sandbox import pull_request
from sandbox.errors import SandboxError
from sandbox.settings import Settings


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PREVIEWS_APP", str(tmp_path))
    (tmp_path / "preview.yaml").write_text("app: orders\nweb: {front: {path: /x, image: {}}}\n")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    return tmp_path


def check() -> None:
    pull_request.check(Settings(builder="own"))


def test_what_can_be_built_passes(app: Path) -> None:
    check()


def test_all_that_is_wrong_with_the_dockerfiles_is_said_at_once(app: Path) -> None:
    (app / "Dockerfile").write_text("FROM nginx:1.27\nADD https://example.com/a /a\n")
    with pytest.raises(SandboxError) as error:
        check()
    message = str(error.value)
    # The web service's image is built from the same file.
    assert message.count("Dockerfile, line 1: the sandbox has nothing that stands for nginx") == 2
    assert message.count("Dockerfile, line 2: the sandbox downloads no files for ADD") == 2


def test_a_description_that_is_wrong_is_refused_with_its_line(app: Path) -> None:
    (app / "preview.yaml").write_text("app: orders\nservice: {port: 80}\n")
    with pytest.raises(PreviewsError, match=r"line 2: service\.port is wrong"):
        check()


def test_a_folder_without_one_is_told_how_to_get_it(app: Path) -> None:
    (app / "preview.yaml").unlink()
    with pytest.raises(PreviewsError, match="previews adopt"):
        check()
