"""Plans from a Pod's fields and an image's configuration, without a kubelet."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from sandbox.containers.runtime import ContainerSpec, Mount
from sandbox.containers.store import StoredImage
from sandbox.errors import SandboxError
from sandbox.node.container import Plan
from sandbox.node.plans import plan
from tests.sandbox.node.fake_messages import Message, container, mount, pod, value

API = ("127.99.0.1", 6443)
IMAGE = {
    "Entrypoint": ["sh", "-c"],
    "Cmd": ["exit 9", "x"],
    "Env": ["A=image", "B=image=2"],
    "User": "10001",
    "WorkingDir": "/app",
    "StopSignal": "SIGINT",
}


class Signals:
    """The names that the interface gives to signals."""

    def name(self, enum: str, number: int) -> str:
        assert enum == "Signal"
        return {2: "SIGHUP", 15: "SIGRTMIN"}[number]


def planned(config: Message, image: dict[str, Any] | None = None, **fields: Any) -> Plan:
    made = StoredImage("sha256:1", b"", {} if image is None else {"config": image}, ())
    return plan(Signals(), config, pod(**fields), made, API)  # type: ignore[arg-type]


def test_the_image_s_own_holds_where_a_pod_says_nothing() -> None:
    assert planned(container(), IMAGE) == Plan(
        spec=ContainerSpec(
            layers=(),
            argv=("sh", "-c", "exit 9", "x"),
            env={"HOSTNAME": "named", "A": "image", "B": "image=2"},
            cwd="/app",
            uid=10001,
            gid=0,
            hostname="named",
        ),
        image="sha256:1",
        memory_limit=0,
        stop_signal=signal.SIGINT,
    )


def test_a_pod_outweighs_the_image() -> None:
    envs = [Message(key="B", value=b"pod"), Message(key="C", value=b"pod")]
    security = {
        "run_as_user": value(7),
        "run_as_group": value(8),
        "supplemental_groups": [9, 10],
        "readonly_rootfs": True,
    }
    wishes = container(
        security,
        command=["serve"],
        args=["--now"],
        envs=envs,
        working_dir="/tmp",
        memory=1 << 20,
        stop_signal=2,
        mounts=[mount("/here", "/there"), mount("/here/2", "/there/2", readonly=True)],
    )
    assert planned(wishes, IMAGE) == Plan(
        spec=ContainerSpec(
            layers=(),
            argv=("serve", "--now"),
            env={"HOSTNAME": "named", "A": "image", "B": "pod", "C": "pod"},
            cwd="/tmp",
            uid=7,
            gid=8,
            groups=(9, 10),
            read_only_root=True,
            mounts=(
                Mount(Path("/here"), "/there", read_only=False),
                Mount(Path("/here/2"), "/there/2", read_only=True),
            ),
            hostname="named",
        ),
        image="sha256:1",
        memory_limit=1 << 20,
        stop_signal=signal.SIGHUP,
    )


def test_where_nobody_says_anything_it_is_root_at_the_root() -> None:
    found = planned(container(command=["x"]), hostname="")
    spec = found.spec
    assert (spec.uid, spec.gid, spec.cwd, spec.hostname, spec.env) == (0, 0, "/", None, {})
    assert found.stop_signal is signal.SIGTERM


@pytest.mark.parametrize(
    ("command", "arguments", "run"),
    [
        ([], [], "entry -e cmd -c"),
        (["own"], [], "own"),
        ([], ["-a", "-b"], "entry -e -a -b"),
        (["own", "-o"], ["-a"], "own -o -a"),
    ],
)
def test_a_pod_s_command_drops_the_image_s_arguments_too(
    command: list[str], arguments: list[str], run: str
) -> None:
    image = {"Entrypoint": ["entry", "-e"], "Cmd": ["cmd", "-c"]}
    wishes = container(command=command, args=arguments)
    assert planned(wishes, image).spec.argv == tuple(run.split())


def test_something_has_to_name_a_command() -> None:
    assert planned(container(), {"Cmd": ["cmd"]}).spec.argv == ("cmd",)
    assert planned(container(args=["arg"])).spec.argv == ("arg",)
    with pytest.raises(SandboxError, match="neither the Pod nor the image has a command"):
        planned(container(), {"Entrypoint": None, "Cmd": None})


def test_the_api_server_is_where_it_listens_and_not_at_a_service_s_address() -> None:
    envs = [
        Message(key="KUBERNETES_SERVICE_HOST", value=b"10.100.0.1"),
        Message(key="KUBERNETES_SERVICE_PORT", value=b"443"),
    ]
    assert planned(container(command=["x"], envs=envs)).spec.env == {
        "HOSTNAME": "named",
        "KUBERNETES_SERVICE_HOST": "127.99.0.1",
        "KUBERNETES_SERVICE_PORT": "6443",
        "KUBERNETES_SERVICE_PORT_HTTPS": "6443",
    }


@pytest.mark.parametrize(
    ("security", "image", "uid", "gid"),
    [
        ({}, {}, 0, 0),
        ({}, {"User": "12:13"}, 12, 13),
        ({"run_as_username": "14"}, {"User": "12"}, 14, 0),
        ({"run_as_user": value(0), "run_as_username": "14"}, {"User": "12"}, 0, 0),
        ({"run_as_group": value(0)}, {"User": "12:13"}, 12, 0),
    ],
)
def test_whose_process_it_is(
    security: dict[str, Any], image: dict[str, Any], uid: int, gid: int
) -> None:
    spec = planned(container(security, command=["x"]), image).spec
    assert (spec.uid, spec.gid) == (uid, gid)


def test_a_user_that_the_image_lacks_is_named() -> None:
    with pytest.raises(SandboxError, match="user no-such-user of image sha256:1"):
        planned(container(command=["x"]), {"User": "no-such-user"})


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ("SIGQUIT", signal.SIGQUIT),
        ("QUIT", signal.SIGQUIT),
        ("3", signal.SIGQUIT),
        ("SIGRTMIN", signal.SIGRTMIN),
        (None, signal.SIGTERM),
    ],
)
def test_a_stop_signal_is_a_name_or_a_number(named: str | None, found: signal.Signals) -> None:
    assert planned(container(command=["x"]), {"StopSignal": named}).stop_signal is found


@pytest.mark.parametrize("named", ["SIGNONE", "0", "99", "SIG"])
def test_what_is_no_signal_is_refused(named: str) -> None:
    with pytest.raises(SandboxError, match=f"stop signal {named}"):
        planned(container(command=["x"]), {"StopSignal": named})
