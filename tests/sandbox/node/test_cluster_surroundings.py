"""A real container's environment, volumes, user and addresses."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import httpx
import pytest

from contract.app.placeholders import unexpanded
from tests.contract.expansion import expand
from tests.sandbox.node.control_plane import PATH, World
from tests.sandbox.node.pods import Namespace, container, kubectl, status_of
from tests.sandbox.ordinary_user import AS_ORDINARY_USER
from tests.waiting import eventually

pytestmark = pytest.mark.sandbox


@pytest.fixture(params=["the caller", "an ordinary user"])
def whose_node(world: World, request: pytest.FixtureRequest) -> Iterator[None]:
    """User that runs the node's processes."""
    if request.param == "the caller":
        yield
        return
    if os.geteuid() != 0:
        pytest.skip("the caller is an ordinary user")
    try:
        world.restart_node(AS_ORDINARY_USER)
        yield
    finally:
        world.restart_node()


def _env(namespace: Namespace, name: str) -> dict[str, str]:
    namespace.until_phase(name, "Succeeded")
    lines = namespace.logs(name).splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def test_environment_comes_from_everywhere_in_the_kubelets_order(namespace: Namespace) -> None:
    namespace.secret("credentials", password="s3cret", FROM_IMAGE="secret")
    namespace.config_map("settings", greeting="hello", level="3")
    limits = {"memory": "64Mi", "cpu": "250m"}
    namespace.run(
        "env",
        container(
            "env",
            env=[
                {"name": "GREETING", "value": "$(CONFIG_greeting), $(UNKNOWN) $$(level)"},
                {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                {"name": "URL", "value": "http://$(IP):8000"},
                {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
                {"name": "MIB", "valueFrom": {"resourceFieldRef": {
                    "resource": "limits.memory", "divisor": "1Mi"}}},
                {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {
                    "name": "credentials", "key": "password"}}},
                {"name": "ABSENT", "valueFrom": {"configMapKeyRef": {
                    "name": "settings", "key": "none", "optional": True}}},
            ],
            envFrom=[
                {"configMapRef": {"name": "settings"}, "prefix": "CONFIG_"},
                {"secretRef": {"name": "credentials"}},
            ],
            resources={"limits": limits, "requests": limits},
        ),
        restartPolicy="Never",
        metadata={"labels": {"app": "shop"}},
    )  # fmt: skip
    env = _env(namespace, "env")
    ip = namespace.pod("env")["status"]["podIP"]
    assert env["GREETING"] == "hello, $(UNKNOWN) $(level)"
    assert (env["IP"], env["URL"]) == (ip, f"http://{ip}:8000")
    assert (env["APP"], env["MIB"], env["PASSWORD"]) == ("shop", "64", "s3cret")
    assert env["FROM_IMAGE"] == "secret"  # The Pod wins over the image.
    assert (env["PATH"], env["HOSTNAME"]) == (PATH, "env")
    assert "ABSENT" not in env


def test_the_kubelet_expands_as_other_tests_take_it_to(namespace: Namespace) -> None:
    values = [
        "$$",
        "a$",
        "$(X",
        "$x $(X)",
        "$$(X)",
        "$$$(X)",
        "$$$$(X)",
        "$($(X))",
        "$$($(X)) ${X}",
    ]
    values += [unexpanded(value) for value in values]
    known = {"X": "here"}
    namespace.run(
        "expansion",
        container(
            "",
            command=[
                "sh",
                "-c",
                unexpanded('echo "WORDS=$0 $*"; env; exec true $(true) $$'),
                *values,
            ],
            env=[
                {"name": "X", "value": known["X"]},
                *({"name": f"V{n}", "value": value} for n, value in enumerate(values)),
            ],
        ),
        restartPolicy="Never",
    )
    env = _env(namespace, "expansion")
    expanded = [expand(value, known) for value in values]
    assert [env[f"V{n}"] for n, _ in enumerate(values)] == expanded
    assert env["WORDS"] == " ".join(expanded)
    half = len(values) // 2
    assert expanded[half:] == values[:half]


def test_services_of_the_namespace_are_linked_unless_refused(
    namespace: Namespace, world: World
) -> None:
    service = {"metadata": {"name": "shop-db"}, "spec": {"ports": [{"port": 5432, "name": "pg"}]}}
    made = namespace.create(f"{namespace.base}/services", service)
    address = made["spec"]["clusterIP"]
    namespace.run("with", container("env"), restartPolicy="Never")
    namespace.run("without", container("env"), restartPolicy="Never", enableServiceLinks=False)
    linked, plain = _env(namespace, "with"), _env(namespace, "without")
    assert linked["SHOP_DB_SERVICE_HOST"] == address
    assert linked["SHOP_DB_SERVICE_PORT_PG"] == "5432"
    assert linked["SHOP_DB_PORT"] == f"tcp://{address}:5432"
    assert not [name for name in plain if name.startswith("SHOP_DB")]
    assert plain["KUBERNETES_SERVICE_HOST"] == world.settings.control_plane


def test_volumes_show_secrets_config_maps_tokens_and_the_pod_itself(namespace: Namespace) -> None:
    namespace.secret("tls", key="private")
    namespace.config_map("files", one="1", two="2")
    namespace.run(
        "volumes",
        container(
            "cat /s/key; stat -L -c ' %a %g' /s/key; ls /c; cat /p/ns/name /p/labels; "
            "cut -c1-2 /p/token; cat /sub/one; touch /e/x /m/x && echo written; "
            "touch /s/x || echo refused",
            volumeMounts=[
                {"name": "s", "mountPath": "/s"},
                {"name": "c", "mountPath": "/c"},
                {"name": "p", "mountPath": "/p"},
                {"name": "e", "mountPath": "/e"},
                {"name": "m", "mountPath": "/m"},
                {"name": "c2", "mountPath": "/sub/one", "subPath": "one"},
            ],
        ),
        restartPolicy="Never",
        metadata={"labels": {"app": "shop"}},
        securityContext={"runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 2000},
        volumes=[
            {"name": "s", "secret": {"secretName": "tls", "defaultMode": 0o400}},
            {"name": "c", "configMap": {"name": "files",
                                        "items": [{"key": "two", "path": "deep/2.txt"}]}},
            {"name": "c2", "configMap": {"name": "files"}},
            {"name": "p", "projected": {"sources": [
                {"serviceAccountToken": {
                    "path": "token", "audience": "a", "expirationSeconds": 600}},
                {"downwardAPI": {"items": [
                    {"path": "ns/name", "fieldRef": {"fieldPath": "metadata.namespace"}},
                    {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            ]}},
            {"name": "e", "emptyDir": {"sizeLimit": "1Mi"}},
            {"name": "m", "emptyDir": {"medium": "Memory"}},
        ],
    )  # fmt: skip
    namespace.until_phase("volumes", "Succeeded")
    log = namespace.logs("volumes")
    # With fsGroup the group may read; without root the files are the container's own.
    assert f"private 440 {2000 if os.geteuid() == 0 else 10001}\n" in log
    assert "deep\n" in log
    assert f'{namespace.name}app="shop"' in log
    assert "ey\n1written" in log  # The token is a JSON web token.
    assert "written" in log
    assert "refused" in log


def test_the_token_of_a_service_account_is_the_pods_users_alone(
    whose_node: None, namespace: Namespace
) -> None:
    folder = "/var/run/secrets/kubernetes.io/serviceaccount"
    namespace.run(
        "asks",
        container(f"stat -L -c '%u %a' {folder}/token; cut -c1-2 {folder}/token; id -u"),
        restartPolicy="Never",
        automountServiceAccountToken=True,
        securityContext={"runAsUser": 10001, "runAsGroup": 10001},
    )
    namespace.until_phase("asks", "Succeeded")
    assert namespace.logs("asks").splitlines() == ["10001 600", "ey", "10001"]


def test_user_working_folder_and_host_name_are_as_asked(namespace: Namespace) -> None:
    script = "id -u; id -g; pwd; hostname; grep -c friend /etc/hosts; touch /x || echo read-only"
    namespace.run(
        "who",
        container(
            script,
            workingDir="/usr",
            securityContext={
                "runAsUser": 10001,
                "runAsGroup": 20002,
                "readOnlyRootFilesystem": True,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
        ),
        restartPolicy="Never",
        hostname="named",
        hostAliases=[{"ip": "127.9.9.9", "hostnames": ["friend"]}],
        securityContext={"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    )
    namespace.until_phase("who", "Succeeded")
    lines = namespace.logs("who").splitlines()
    assert lines[:5] == ["10001", "20002", "/usr", "named", "1"]
    assert "read-only" in lines


def test_root_is_refused_where_it_must_not_be(namespace: Namespace) -> None:
    namespace.run("root", container("id"), securityContext={"runAsNonRoot": True})
    status = namespace.until_waiting("root", "CreateContainerConfigError")
    assert "image will run as root" in status["state"]["waiting"]["message"]


def test_each_pod_has_an_address_that_only_it_has(namespace: Namespace, world: World) -> None:
    serve = "exec python3 -m http.server 8000 --bind $(IP) -d /etc/ssl"
    ip = {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    probe = {"tcpSocket": {"port": 8000}, "periodSeconds": 1}
    for name in ("one", "two"):
        namespace.run(name, container(serve, env=[ip], readinessProbe=probe))
    addresses = {namespace.until_ready(name)["status"]["podIP"] for name in ("one", "two")}
    assert len(addresses) == 2
    for address in addresses:
        assert address.split(".")[:2] == world.settings.subnet.split(".")[:2]
        assert int(address.split(".")[2]) >= 10
        assert httpx.get(f"http://{address}:8000/", trust_env=False).status_code == 200


def test_what_is_missing_is_named_and_taken_up_when_it_comes(namespace: Namespace) -> None:
    source = {"secretKeyRef": {"name": "late", "key": "password"}}
    env = [{"name": "PASSWORD", "valueFrom": source}]
    namespace.run("waits", container("echo got $PASSWORD", env=env), restartPolicy="Never")
    status = namespace.until_waiting("waits", "CreateContainerConfigError")
    assert status["state"]["waiting"]["message"] == 'secret "late" not found'
    namespace.secret("late", other="x")
    eventually(
        lambda: "couldn't find key password" in json.dumps(namespace.state("waits")),
        "the key to be named",
    )
    namespace.world.api.delete(f"{namespace.base}/secrets/late")
    namespace.secret("late", password="here")
    namespace.until_phase("waits", "Succeeded")
    assert namespace.logs("waits") == "got here\n"


def test_a_missing_volume_is_an_event_and_is_taken_up_when_it_comes(namespace: Namespace) -> None:
    mount = [{"name": "v", "mountPath": "/v"}]
    volumes = [{"name": "v", "configMap": {"name": "late"}}]
    namespace.run(
        "waits", container("cat /v/a", volumeMounts=mount), volumes=volumes, restartPolicy="Never"
    )
    failed = 'MountVolume.SetUp failed for volume "v" : configmap "late" not found'
    namespace.until_event("waits", "FailedMount", failed)
    namespace.config_map("late", a="here")
    namespace.until_phase("waits", "Succeeded")
    assert namespace.logs("waits") == "here\n"


def test_an_image_that_is_not_there_is_an_error_that_says_so(namespace: Namespace) -> None:
    missing = f"registry.test/base@sha256:{'0' * 64}"
    namespace.run("missing", {"name": "main", "image": missing})
    namespace.until_waiting("missing", "ErrImagePull")
    status = namespace.until_waiting("missing", "ImagePullBackOff")
    assert "the sandbox's store has no such image" in status["state"]["waiting"]["message"]
    namespace.until_event("missing", "Failed", missing)


def test_the_image_id_is_the_digest(namespace: Namespace, world: World) -> None:
    digest = world.images.resolve("registry.test/base", "1")
    namespace.run("by-digest", {**container("true"), "image": f"registry.test/base:9@{digest}"},
                  restartPolicy="Never")  # fmt: skip
    pod = namespace.until_phase("by-digest", "Succeeded")
    assert status_of(pod)["imageID"] == f"registry.test/base@{digest}"


@pytest.mark.parametrize(
    ("field", "spec", "reason"),
    [
        ("hostNetwork", {"hostNetwork": True}, "FailedCreatePodSandBox"),
        ("shareProcessNamespace", {"shareProcessNamespace": True}, "FailedCreatePodSandBox"),
        (
            "dnsConfig",
            {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"]}},
            "FailedCreatePodSandBox",
        ),
        ("v", {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, "FailedMount"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(
    namespace: Namespace, field: str, spec: dict[str, object], reason: str
) -> None:
    mounts = [{"name": "v", "mountPath": "/v"}] if "volumes" in spec else []
    namespace.run("refused", container("true", volumeMounts=mounts), **spec)
    message = namespace.until_event("refused", reason, field)["message"]
    assert "UnsupportedBySandbox" in message or "no volume plugin matched" in message
    assert namespace.pod("refused")["status"]["phase"] == "Pending"


def test_a_container_that_asks_for_privileges_is_refused_by_name(namespace: Namespace) -> None:
    asked = {"privileged": True, "capabilities": {"add": ["NET_ADMIN"]}}
    namespace.run("refused", container("true", securityContext=asked))
    status = namespace.until_waiting("refused", "CreateContainerError")
    message = status["state"]["waiting"]["message"]
    assert "securityContext.privileged, securityContext.capabilities.add" in message


def test_kubectl_shows_the_logs_as_they_come(namespace: Namespace, world: World) -> None:
    namespace.run(
        "talks",
        container("for i in 1 2 3; do echo line $i; echo err $i >&2; done; sleep 2; echo last"),
        restartPolicy="Never",
    )
    eventually(
        lambda: (
            "line 3" in (namespace.logs("talks") if namespace.state("talks").get("started") else "")
        )
    )
    shown = kubectl(world, "logs", "-f", "-n", namespace.name, "talks")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines()[-1] == "last"
    assert sorted(shown.stdout.splitlines()[:6]) == [
        "err 1",
        "err 2",
        "err 3",
        "line 1",
        "line 2",
        "line 3",
    ]
    assert namespace.logs("talks", tailLines=1) == "last\n"
    assert namespace.logs("talks", limitBytes=4) in {"line", "err "}
    stamped = namespace.logs("talks", timestamps=True, tailLines=1)
    assert stamped[:2] == "20"
    assert stamped.endswith("Z last\n")
    assert namespace.logs("talks", sinceSeconds=1000).count("\n") == 7


def test_exec_into_a_running_container_is_refused_clearly(
    namespace: Namespace, world: World
) -> None:
    namespace.run("runs", container("sleep 1000"))
    namespace.until_ready("runs")
    refused = kubectl(world, "exec", "-n", namespace.name, "runs", "--", "true")
    assert refused.returncode != 0
    assert "does not support exec" in refused.stderr


def test_nobody_without_the_clusters_certificate_reads_logs(world: World) -> None:
    base = f"https://{world.settings.node_address}:10250"
    with httpx.Client(verify=False, trust_env=False) as anyone:
        assert anyone.get(f"{base}/pods").status_code == 401
        assert anyone.get(f"{base}/containerLogs/default/a/b").status_code == 401


def test_the_node_keeps_nothing_of_a_pod_that_is_gone(namespace: Namespace, world: World) -> None:
    namespace.run("brief", container("true"), restartPolicy="Never")
    uid = namespace.until_phase("brief", "Succeeded")["metadata"]["uid"]
    kept = [world.node_folder / "kubelet/pods" / uid, *world.node_folder.glob(f"logs/*{uid}")]
    assert all(folder.exists() for folder in kept)
    assert len(kept) == 2
    namespace.delete("brief")
    eventually(lambda: not any(folder.exists() for folder in kept), "the folders to go")
    eventually(lambda: not list((world.node_folder / "pods").iterdir()), "the runtime's too")
