from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from sandbox.settings import Settings


@pytest.mark.parametrize("subnet", ["10.0.0.0/16", "127.42.0.0/24", "127.0.0.0/16", "nonsense"])
def test_a_subnet_that_is_not_a_loopback_16_of_its_own_is_refused(subnet: str) -> None:
    with pytest.raises(ValidationError, match="subnet"):
        Settings(subnet=subnet)


def test_addresses_lie_in_the_subnet() -> None:
    settings = Settings(subnet="127.99.0.0/16")
    assert settings.address(10, 255) == "127.99.10.255"
    assert settings.aws_endpoint == "http://127.99.0.2:4566"


def test_folders_are_absolute_whatever_they_were_given_as(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SANDBOX_HOME", "here")
    assert Settings().home == tmp_path / "here"


@pytest.mark.parametrize("port", [0, 70000])
def test_a_port_that_is_none_is_refused(port: int) -> None:
    with pytest.raises(ValidationError, match="http_port"):
        Settings(http_port=port)
