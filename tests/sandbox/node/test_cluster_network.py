"""NetworkPolicies on a running node: real Pods, policies and refused connections."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from contract.networks import NOT_PUBLIC
from sandbox.node import processes as node
from tests.sandbox.node.control_plane import World
from tests.sandbox.node.pods import Namespace, Object, container, status_of
from tests.sandbox.ordinary_user import AS_ORDINARY_USER
from tests.waiting import eventually

pytestmark = pytest.mark.sandbox

# What a Pod says of a connection to each of its arguments, twice a second, until it is ended.
ASK = """python3 -u -c '
import socket, sys, time
while True:
    for target in sys.argv[1:]:
        host, port = target.split(":")
        try:
            socket.create_connection((host, int(port)), 5).close()
            print(target, "open")
        except OSError as error:
            print(target, error.strerror)
    time.sleep(0.2)
' """
DENY: Object = {"podSelector": {}, "policyTypes": ["Egress"]}


@pytest.fixture
def database(world: World) -> Iterator[tuple[str, int]]:
    """Something that listens where the sandbox's databases do."""
    with socket.create_server((world.settings.address(1, 77), 5432)) as listening:
        yield listening.getsockname()[:2]


def policy(namespace: Namespace, name: str, **spec: Any) -> None:
    path = f"/apis/networking.k8s.io/v1/namespaces/{namespace.name}/networkpolicies"
    namespace.create(path, {"metadata": {"name": name}, "spec": {**DENY, **spec}})


def asking(namespace: Namespace, name: str, *targets: str, **fields: Any) -> str:
    return namespace.run(
        name, container(ASK + " ".join(targets)), terminationGracePeriodSeconds=0, **fields
    )


def until_said(namespace: Namespace, name: str, target: str, answer: str) -> None:
    """Wait until the last thing that the Pod said of a target is the answer."""

    def said() -> bool:
        lines = namespace.logs(name, tailLines=50).splitlines()
        about = [line for line in lines if line.startswith(f"{target} ")]
        return bool(about) and about[-1] == f"{target} {answer}"

    namespace.until_phase(name, "Running")
    eventually(said, f"{name} to say that {target} is {answer}")


def test_without_a_policy_a_pod_is_open_and_each_policy_counts_at_once(
    namespace: Namespace, database: tuple[str, int]
) -> None:
    target = f"{database[0]}:{database[1]}"
    asking(namespace, "app", target)
    until_said(namespace, "app", target, "open")
    policy(namespace, "default-deny")
    until_said(namespace, "app", target, "Connection timed out")
    denied = f"tcp {target} is denied by default-deny:"
    message = namespace.until_event("app", "NetworkPolicyDenied", denied)["message"]
    assert "no preview may connect to a private network" in message
    # As the program's own: the databases' networks in the VPC.
    policy(
        namespace,
        "allow-database",
        egress=[{"to": [{"ipBlock": {"cidr": "10.0.0.0/20"}}], "ports": [{"port": 5432}]}],
    )
    until_said(namespace, "app", target, "open")
    assert len(namespace.events("app", "NetworkPolicyDenied")) == 1


def test_an_ordinary_users_node_enforces_them_too(
    namespace: Namespace, database: tuple[str, int], world: World
) -> None:
    if os.geteuid() != 0:
        pytest.skip("the caller is an ordinary user, so every test here shows it")
    target = f"{database[0]}:{database[1]}"
    try:
        world.restart_node(AS_ORDINARY_USER)
        asking(namespace, "app", target, securityContext={"runAsUser": 10001, "runAsGroup": 10001})
        until_said(namespace, "app", target, "open")
        policy(namespace, "default-deny")
        until_said(namespace, "app", target, "Connection timed out")
        namespace.until_event("app", "NetworkPolicyDenied")
    finally:
        world.restart_node()


def test_policies_are_by_label_and_by_namespace(
    namespace: Namespace, database: tuple[str, int], world: World
) -> None:
    target = f"{database[0]}:{database[1]}"
    policy(namespace, "web-alone", podSelector={"matchLabels": {"app": "web"}})
    asking(namespace, "web", target, metadata={"labels": {"app": "web"}})
    asking(namespace, "job", target, metadata={"labels": {"app": "job"}})
    until_said(namespace, "web", target, "Connection timed out")
    until_said(namespace, "job", target, "open")
    # A label that is changed counts.
    patch = {"metadata": {"labels": {"app": "web"}}}
    world.api.patch(
        f"{namespace.base}/pods/job",
        json=patch,
        headers={"content-type": "application/merge-patch+json"},
    )
    until_said(namespace, "job", target, "Connection timed out")


def test_a_way_to_public_addresses_leads_to_no_other(
    namespace: Namespace, database: tuple[str, int], world: World
) -> None:
    # Nothing listens there: a connection that is let out is refused.
    aws, database_ = f"{world.settings.aws_address}:4566", f"{database[0]}:{database[1]}"
    asking(namespace, "app", aws, database_)
    policy(namespace, "default-deny")
    until_said(namespace, "app", aws, "Connection timed out")
    public = {"ipBlock": {"cidr": "0.0.0.0/0", "except": list(NOT_PUBLIC)}}
    ports = [{"port": 443, "protocol": "TCP"}, {"port": 5432, "protocol": "TCP"}]
    policy(namespace, "allow-app-egress", egress=[{"to": [public], "ports": ports}])
    until_said(namespace, "app", aws, "Connection refused")
    until_said(namespace, "app", database_, "Connection timed out")


def test_a_pod_lets_in_whom_its_policy_names_and_always_the_node(
    namespace: Namespace, world: World
) -> None:
    ip = {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    serve = "exec python3 -m http.server 8000 --bind $(IP) -d /etc/ssl"
    probe = {"httpGet": {"port": 8000, "path": "/"}, "periodSeconds": 1}
    web = container(
        serve, env=[ip], readinessProbe=probe, ports=[{"name": "http", "containerPort": 8000}]
    )
    namespace.run("web", web, metadata={"labels": {"app": "web"}})
    policy(
        namespace,
        "from-friends",
        podSelector={"matchLabels": {"app": "web"}},
        policyTypes=["Ingress"],
        ingress=[
            {"from": [{"podSelector": {"matchLabels": {"app": "friend"}}}],
             "ports": [{"port": "http"}]}
        ],
    )  # fmt: skip
    # The kubelet's probe comes in.
    target = f"{namespace.until_ready('web')['status']['podIP']}:8000"
    asking(namespace, "friend", target, metadata={"labels": {"app": "friend"}})
    asking(namespace, "stranger", target, metadata={"labels": {"app": "stranger"}})
    until_said(namespace, "friend", target, "open")
    until_said(namespace, "stranger", target, "Connection timed out")
    denied = f"(Pod {namespace.name}/web) is denied by from-friends"
    namespace.until_event("stranger", "NetworkPolicyDenied", denied)
    with socket.create_connection(tuple(target.split(":")), 5):  # type: ignore[arg-type]
        pass


def test_the_machines_own_programs_are_not_the_pods(namespace: Namespace) -> None:
    policy(namespace, "default-deny")
    with socket.create_server(("127.0.0.1", 0)) as machines:
        port = machines.getsockname()[1]
        own = "python3 -m http.server 8765 --bind 127.0.0.1 -d /etc/ssl >/dev/null 2>&1 & "
        namespace.run(
            "app",
            container(own + ASK + f"127.0.0.1:{port} 127.0.0.1:8765"),
            terminationGracePeriodSeconds=0,
        )
        until_said(namespace, "app", f"127.0.0.1:{port}", "Connection refused")
        until_said(namespace, "app", "127.0.0.1:8765", "open")
    namespace.until_event("app", "NetworkPolicyDenied", "no process of this Pod listens there")


def test_a_command_in_a_container_is_judged_like_its_program(
    namespace: Namespace, database: tuple[str, int]
) -> None:
    policy(namespace, "default-deny")
    connect = f"import socket; socket.create_connection({database!r}, 5)"
    command = ["python3", "-c", connect]
    probe = {"exec": {"command": command}, "periodSeconds": 1, "timeoutSeconds": 60}
    namespace.run("app", container("exec sleep 1000", readinessProbe=probe))
    namespace.until_event("app", "Unhealthy", "Connection timed out")


def test_a_killed_node_opens_nothing_and_enforces_again(
    namespace: Namespace, database: tuple[str, int], world: World
) -> None:
    target = f"{database[0]}:{database[1]}"
    policy(namespace, "default-deny")
    asking(namespace, "app", target)
    until_said(namespace, "app", target, "Connection timed out")
    world.restart_node()
    eventually(lambda: status_of(namespace.pod("app"))["restartCount"] == 1, "the restart")
    until_said(namespace, "app", target, "Connection timed out")
    # Neither while the node was away.
    for previous in (True, False):
        lines = namespace.logs("app", previous=previous).splitlines()
        assert {line for line in lines if line.endswith("open")} == set()
    assert world.processes[node.RUNTIME].poll() is None
