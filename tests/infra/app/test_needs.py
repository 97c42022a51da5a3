"""Servers that an app needs: which pods reach them, what they reach, and what the app gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from contract.app.needs import Redis
from infra.app.needs.redis import command
from infra.policies.catalogue import violations
from infra.stacks import main
from infra.versions import pinned
from tests.infra.app.test_described_app import container, described, plain, workload
from tests.infra.policies.resources import declared
from tests.infra.world import (
    CREATED_CLUSTER,
    PREVIEW_CONFIG,
    STAGING_CONFIG,
    Cloud,
    Deployment,
    deploy,
)

ROOT = Path(__file__).resolve().parents[3]
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
NETWORK_POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
SERVICE = "kubernetes:core/v1:Service"
INGRESS = "kubernetes:networking.k8s.io/v1:Ingress"
DIGEST = "@sha256:" + 64 * "a"
COPIES = {"redisImage": f"copies/redis{DIGEST}", "mailImage": f"copies/mailpit{DIGEST}"}
NAME = "app.kubernetes.io/name"

NEEDED = """
service:
  environment:
    QUEUE: "{redis_url}/1"
    CACHE: "{redis_host}:{redis_port}"
    SMTP: "{smtp_host}:{smtp_port}"
    OUTBOX: "{mail_url}/api/v1/messages"
workers:
  queue: { command: work }
database:
  migrate: migrate
hooks:
  seed: seed
needs:
  redis: { memory: 128Mi }
  mail:
"""


def staging_with(needs: dict[str, str], **config: Any) -> Deployment:
    return deploy("staging", main, config=STAGING_CONFIG | config | {"needs": needs})


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    return described(staging_with(COPIES), tmp_path_factory.mktemp("app"), NEEDED)


def spec(stack: Deployment, kind: str, name: str) -> dict[str, Any]:
    [found] = [
        r.inputs["spec"]
        for r in stack.registrations
        if r.type == kind and r.inputs["metadata"]["name"] == name
    ]
    return found


def selected(selector: dict[str, Any], name: str) -> bool:
    """Return True if a selector of a policy is for the pods of a name."""
    exact = selector.get("matchLabels", {})
    expressions = selector.get("matchExpressions", [])
    assert all(e["key"] == NAME and e["operator"] == "NotIn" for e in expressions)
    return exact.get(NAME, name) == name and all(name not in e["values"] for e in expressions)


def flows(stack: Deployment) -> set[tuple[str, str, int]]:
    """Return the connections between pods of the namespace that the policies let through."""
    pods = ("service", "worker-queue", "migrate", "seed", "prepare", "redis", "mail")
    policies = [r.inputs["spec"] for r in stack.registrations if r.type == NETWORK_POLICY]

    def allowed(direction: str, peers: str, of: str, other: str, port: int) -> bool:
        return any(
            selected(policy["podSelector"], of)
            and any(
                selected(peer["podSelector"], other)
                and "namespaceSelector" not in peer
                and port in {p["port"] for p in rule["ports"]}
                for rule in policy.get(direction, ())
                for peer in rule[peers]
                if "podSelector" in peer and "namespaceSelector" not in peer
            )
            for policy in policies
        )

    return {
        (source, target, port)
        for source in pods
        for target in pods
        for port in (1025, 6379, 8000, 8025)
        if allowed("egress", "to", source, target, port)
        and allowed("ingress", "from", target, source, port)
    }


def test_the_app_gets_the_addresses(stack: Deployment) -> None:
    for name in ("service", "worker-queue"):
        variables = plain(container(stack, name))
        del variables["PGSSLROOTCERT"]
        assert variables == {
            "QUEUE": "redis://redis:6379/1",
            "CACHE": "redis:6379",
            "SMTP": "mail:1025",
            "OUTBOX": "https://pr-42.preview.example.com/_mail/api/v1/messages",
        }


def test_only_the_app_s_own_pods_reach_a_server(stack: Deployment) -> None:
    own = ("service", "worker-queue", "migrate", "seed")
    assert flows(stack) == {
        (source, target, port)
        for source in own
        for target, port in (("redis", 6379), ("mail", 1025))
    }


def test_a_server_reaches_nothing(stack: Deployment) -> None:
    for name in ("redis", "mail"):
        reaching = [
            r.name
            for r in stack.registrations
            if r.type == NETWORK_POLICY
            and selected(r.inputs["spec"]["podSelector"], name)
            and r.inputs["spec"].get("egress")
        ]
        assert reaching == []


def test_hosts_of_the_app_are_not_a_server_s(tmp_path: Path) -> None:
    text = f"{NEEDED}egress: [{{host: api.stripe.com}}]\n"
    stack = described(staging_with(COPIES), tmp_path, text)
    selector = spec(stack, NETWORK_POLICY, "allow-app-egress")["podSelector"]
    assert not any(selected(selector, name) for name in ("redis", "mail", "prepare"))
    assert selected(selector, "service")


def test_the_mail_s_page_is_on_the_app_s_host(stack: Deployment) -> None:
    [rule] = stack.one(INGRESS).inputs["spec"]["rules"]
    assert [(p["path"], p["backend"]["service"]["name"]) for p in rule["http"]["paths"]] == [
        ("/_mail", "mail"),
        ("/", "service"),
    ]
    assert spec(stack, SERVICE, "mail")["ports"] == [
        {"name": "smtp", "port": 1025, "targetPort": "smtp", "protocol": "TCP"},
        {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"},
    ]
    [service] = [
        r.inputs["metadata"]
        for r in stack.registrations
        if r.type == SERVICE and r.inputs["metadata"]["name"] == "mail"
    ]
    assert "/_mail/readyz" in service["annotations"].values()
    balancer = spec(stack, NETWORK_POLICY, "allow-into-mail")["ingress"][1]
    assert balancer["ports"] == [{"port": 8025, "protocol": "TCP"}]
    assert balancer["from"][0] == {"ipBlock": {"cidr": "10.0.0.0/16"}}
    assert stack.outputs["mailUrl"] == "https://pr-42.preview.example.com/_mail"


def test_redis_leaves_memory_for_itself_and_keeps_nothing(stack: Deployment) -> None:
    redis = container(stack, "redis")
    command = redis["command"]
    assert command[command.index("--maxmemory") + 1] == "96mb"
    assert command[command.index("--save") + 1] == ""
    assert redis["resources"]["limits"]["memory"] == "128Mi"
    assert workload(stack, "redis")["strategy"] == {"type": "Recreate"}


def test_the_smallest_redis_has_a_limit_of_its_own() -> None:
    """To Redis a limit of 0 is none."""
    smallest = next(size for size in range(1, 1000) if _accepts(f"{size}Mi"))
    arguments = command(Redis(memory=f"{smallest}Mi"))
    limit = int(arguments[arguments.index("--maxmemory") + 1].removesuffix("mb"))
    # Its own code and buffers need some MiB besides.
    assert 0 < limit <= smallest - 8


def _accepts(memory: str) -> bool:
    try:
        Redis(memory=memory)
    except ValidationError as error:
        assert "at least 32Mi" in str(error)  # noqa: PT017 - the reason for each refused size
        return False
    return True


def test_as_many_mails_as_promised_fit_into_the_volume(stack: Deployment) -> None:
    arguments = container(stack, "mail")["command"]
    count, mebibytes = (
        int(arguments[arguments.index(option) + 1]) for option in ("--max", "--max-message-size")
    )
    [volume] = workload(stack, "mail")["template"]["spec"]["volumes"]
    size = int(volume["emptyDir"]["sizeLimit"].removesuffix("Mi"))
    # The oldest are removed once a minute, in which as many may come on top.
    assert 2 * count * mebibytes <= size
    # Compaction would write the database a second and a third time.
    assert "--disable-auto-vacuum" in arguments
    limits = container(stack, "mail")["resources"]["limits"]
    assert int(limits["ephemeral-storage"].removesuffix("Mi")) > size
    needs = (ROOT / "docs" / "needs.md").read_text()
    assert f"the latest {count} messages, of at most {mebibytes} MB" in needs


def test_redis_is_emptied_with_the_database(stack: Deployment) -> None:
    annotations = workload(stack, "redis")["template"]["metadata"]["annotations"]
    own = workload(stack, "service")["template"]["metadata"]["annotations"]
    assert annotations == {"checksum/database": own["checksum/database"]}


def test_the_app_waits_for_what_it_needs(stack: Deployment) -> None:
    deployments = {
        r.inputs["metadata"]["name"]: r for r in stack.registrations if r.type == DEPLOYMENT
    }
    migrate = stack.one("kubernetes:batch/v1:Job", "migrate")
    for server in ("redis", "mail"):
        for later in (migrate, deployments["service"], deployments["worker-queue"]):
            assert stack.comes_after(later, deployments[server])


def test_the_quota_counts_the_servers(stack: Deployment) -> None:
    hard = stack.one("kubernetes:core/v1:ResourceQuota").inputs["spec"]["hard"]
    # Service 2, worker, Redis and mail 1 each; 2 more of each while it rolls out; a Job.
    assert hard["pods"] == str((2 + 2) + 3 * (1 + 2) + 1)
    assert hard["limits.memory"] == f"{(4 + 3 + 1) * 256 + 3 * 128 + 3 * 128}Mi"


def test_servers_go_with_their_namespace(stack: Deployment) -> None:
    namespace = stack.one("kubernetes:core/v1:Namespace").urn
    for r in stack.registrations:
        if "needs:NeedServer$" in r.urn:
            assert r.deleted_with == namespace


def test_no_policy_forbids_it(stack: Deployment) -> None:
    assert [str(violation) for violation in violations(declared(stack))] == []


def test_a_platform_has_the_pinned_images_unless_it_names_copies(staging: Deployment) -> None:
    images = staging.outputs["platform"]["images"]
    assert images["redis"] == pinned().redis.reference
    assert images["mail"] == pinned().mail.reference
    copies = staging_with(COPIES).outputs["platform"]["images"]
    assert (copies["redis"], copies["mail"]) == (COPIES["redisImage"], COPIES["mailImage"])


@pytest.mark.parametrize("need", ["redis", "mail"])
def test_where_nodes_reach_aws_alone_a_copy_is_asked_for(tmp_path: Path, need: str) -> None:
    cluster = CREATED_CLUSTER["cluster"] | {"externalSecretsImage": f"copies/eso{DIGEST}"}
    closed = staging_with({}, cluster=cluster, network={"egress": "endpoints"})
    (tmp_path / "preview.yaml").write_text(f"needs: {{{need}: {{}}}}\n")
    with pytest.raises(Exception, match=f"(?s)needs.{need}.*previews:needs.{need}Image"):
        deploy(
            "pr-42",
            main,
            config=PREVIEW_CONFIG | {"source": str(tmp_path)},
            cloud=Cloud(staging=closed.outputs),
        )


def test_more_memory_than_the_platform_allows_is_refused(
    staging: Deployment, tmp_path: Path
) -> None:
    with pytest.raises(Exception, match=r"needs.redis.memory: it is 4096Mi, .* at most 2048Mi"):
        described(staging, tmp_path, "needs: {redis: {memory: 4096Mi}}")


def test_an_app_without_needs_has_no_such_server(preview: Deployment) -> None:
    assert not [r for r in preview.registrations if "needs" in r.type]
    assert "mailUrl" not in preview.outputs
