"""Workers that run at the same time get different loopback subnets and addresses."""

from __future__ import annotations

import socket

import pytest

from tests import addresses
from tests.addresses import free_address, free_subnet


@pytest.fixture
def two_subnets_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Subnets 127.251 and 127.252, which no other test draws from; one for each of two workers."""
    monkeypatch.setattr(addresses, "_SECOND", range(251, 253))
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "2")


@pytest.mark.parametrize(("worker", "second"), [("gw0", 251), ("gw1", 252), ("gw2", 251)])
def test_each_worker_draws_from_its_own(
    two_subnets_left: None, monkeypatch: pytest.MonkeyPatch, worker: str, second: int
) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
    assert free_subnet() == f"127.{second}.0.0/16"
    assert free_address(5432).startswith(f"127.{second}.")


@pytest.mark.parametrize(("address", "port"), [("127.251.0.1", 6443), ("127.251.0.2", 4566)])
def test_a_subnet_in_use_is_not_drawn(
    two_subnets_left: None, monkeypatch: pytest.MonkeyPatch, address: str, port: int
) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "1")
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    with socket.create_server((address, port)):
        assert {free_subnet() for _ in range(20)} == {"127.252.0.0/16"}
        monkeypatch.setattr(addresses, "_SECOND", range(251, 252))
        with pytest.raises(pytest.fail.Exception, match="251"):
            free_subnet()
