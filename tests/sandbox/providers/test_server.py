from __future__ import annotations

import socket
from pathlib import Path

import grpc
import pytest
from google.protobuf import empty_pb2

from sandbox.providers.attachments import NAMES, read_ports
from sandbox.providers.processes import processes
from sandbox.providers.server import emulators, serving
from sandbox.settings import Settings
from tests.sandbox.providers.toy import Toy, connected


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


async def test_the_ports_are_told_once_it_serves_and_kept_when_it_serves_again(
    settings: Settings,
) -> None:
    async with serving(settings, (Toy(),)):
        first = read_ports(settings)
        async with connected(first["toy"]) as stub:
            assert (await stub.GetPluginInfo(empty_pb2.Empty())).version == "1.2.3"
    async with serving(settings, (Toy(),)):
        assert read_ports(settings) == first


async def test_a_port_that_was_taken_meanwhile_gives_way_to_another(settings: Settings) -> None:
    async with serving(settings, (Toy(),)):
        first = read_ports(settings)["toy"]
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", first))
        other.listen()
        async with serving(settings, (Toy(),)):
            second = read_ports(settings)["toy"]
            assert second != first
            async with connected(second) as stub:
                assert (await stub.GetPluginInfo(empty_pb2.Empty())).version == "1.2.3"


async def test_a_second_server_never_shares_a_port(tmp_path: Path) -> None:
    one, two = Settings(home=tmp_path / "one"), Settings(home=tmp_path / "two")
    async with serving(one, (Toy(),)):
        (two.home / "run").mkdir(parents=True)
        copied = (one.home / "run" / "providers.json").read_bytes()
        (two.home / "run" / "providers.json").write_bytes(copied)
        async with serving(two, (Toy(),)):
            assert read_ports(one) != read_ports(two)


async def test_it_is_ready_once_every_emulator_listens(settings: Settings) -> None:
    [declared] = processes(settings)
    assert declared.ready() == "the aws emulator to listen"
    async with serving(settings, emulators(settings)):
        assert declared.ready() is None
        assert set(read_ports(settings)) == set(NAMES)
    async with serving(settings, (Toy(),)):
        assert declared.ready() == "the aws emulator to listen"


async def test_nobody_serves_after_its_end(settings: Settings) -> None:
    async with serving(settings, (Toy(),)):
        port = read_ports(settings)["toy"]
    async with connected(port) as stub:
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.GetPluginInfo(empty_pb2.Empty(), timeout=5)


async def test_the_region_is_the_sandboxes_whatever_the_shell_says(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    aws = emulators(settings)[0]
    assert aws.name == "aws"
    assert not await aws.moves({}, {"region": "us-east-1"})


def test_its_environment_holds_no_secret(settings: Settings) -> None:
    [declared] = processes(settings)
    assert not any(name.endswith(("KEY", "SECRET", "TOKEN")) for name in declared.env)
