"""What an app's ``preview.yaml`` makes of its stack: workers, further services, secrets, sizes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from infra.app.authorities import authorities
from infra.policies.catalogue import violations
from infra.stacks import main
from tests.contract.expansion import container_environment, expand
from tests.infra.policies.resources import declared
from tests.infra.world import PREVIEW_CONFIG, STAGING_CONFIG, Cloud, Deployment, deploy

JOB, DEPLOYMENT = "kubernetes:batch/v1:Job", "kubernetes:apps/v1:Deployment"
EXTERNAL_SECRET = "kubernetes:external-secrets.io/v1:ExternalSecret"
NETWORK_POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
IMAGE = "docker-build:index:Image"

DESCRIBED = """
service:
  path: /api
  port: 9000
  command: uvicorn app:app
  user: 1234
  read_only: false
  scratch: [/tmp, /srv/cache]
  health: /ping
  start_seconds: 30
  memory: 512Mi
  environment:
    URL: "postgresql+asyncpg://{user}:{password}@{host}/{name}?{tls}"
    SELF: "{app_url}/api"
workers:
  mail: { command: celery worker, replicas: 2, environment: { QUEUE: mail } }
web:
  frontend:
    image:
      context: frontend
      dockerfile: frontend/Dockerfile
      args: { API: "{app_url}/api", PR: "{pull_request}", PLAIN: a }
    port: 3000
secrets:
  SECRET_KEY: generate
  STRIPE_KEY: { name: stripe, property: key }
"""


def described(staging: Deployment, folder: Path, text: str, **config: Any) -> Deployment:
    (folder / "preview.yaml").write_text(text)
    return deploy(
        "pr-42",
        main,
        config=PREVIEW_CONFIG | {"source": str(folder)} | config,
        cloud=Cloud(staging=staging.outputs),
    )


@pytest.fixture(scope="module")
def stack(staging: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    return described(staging, tmp_path_factory.mktemp("app"), DESCRIBED)


def workload(stack: Deployment, name: str) -> dict[str, Any]:
    [found] = [
        r.inputs["spec"]
        for r in stack.registrations
        if r.type == DEPLOYMENT and r.inputs["metadata"]["name"] == name
    ]
    return found


def container(stack: Deployment, name: str) -> dict[str, Any]:
    [found] = workload(stack, name)["template"]["spec"]["containers"]
    return found


def plain(container: dict[str, Any]) -> dict[str, str]:
    return {v["name"]: v["value"] for v in container["env"] if "value" in v}


def from_secrets(container: dict[str, Any]) -> dict[str, tuple[str, str]]:
    found = {v["name"]: v.get("valueFrom", {}).get("secretKeyRef") for v in container["env"]}
    return {name: (ref["name"], ref["key"]) for name, ref in found.items() if ref}


def test_the_service_runs_as_it_is_described(stack: Deployment) -> None:
    pod = workload(stack, "service")["template"]["spec"]
    [only] = pod["containers"]
    assert pod["securityContext"]["runAsUser"] == 1234
    assert only["command"] == ["uvicorn", "app:app"]
    assert only["securityContext"]["readOnlyRootFilesystem"] is False
    writable = [m["mountPath"] for m in only["volumeMounts"] if not m.get("readOnly")]
    assert writable == ["/tmp", "/srv/cache"]
    assert only["ports"] == [{"name": "http", "containerPort": 9000, "protocol": "TCP"}]
    assert only["startupProbe"]["httpGet"]["path"] == "/ping"
    assert only["startupProbe"]["failureThreshold"] == 30
    assert only["resources"]["limits"]["memory"] == "512Mi"
    assert only["resources"]["limits"]["ephemeral-storage"] == "448Mi"


def test_a_login_is_composed_in_the_cluster_after_the_variables_that_it_refers_to(
    stack: Deployment,
) -> None:
    only = container(stack, "service")
    assert plain(only)["URL"] == (
        "postgresql+asyncpg://$(PREVIEW_DATABASE_USER):$(PREVIEW_DATABASE_PASSWORD)"
        "@pr-42.abc.eu-west-1.rds.amazonaws.com/service?ssl=verify-full"
    )
    assert plain(only)["SELF"] == "https://pr-42.preview.example.com/api"
    names = [variable["name"] for variable in only["env"]]
    assert names.index("PREVIEW_DATABASE_PASSWORD") < names.index("URL")
    assert from_secrets(only)["PREVIEW_DATABASE_PASSWORD"] == ("database-app", "password")


def test_the_server_is_proven_by_the_region_s_authorities(stack: Deployment) -> None:
    only = container(stack, "service")
    assert plain(only)["PGSSLROOTCERT"] == "/etc/previews/authorities/rds.pem"
    [bundle] = [
        r.inputs for r in stack.registrations if r.name == "database-authorities" and r.custom
    ]
    assert bundle["data"]["rds.pem"] == authorities("eu-west-1")
    [mount] = [m for m in only["volumeMounts"] if m.get("readOnly")]
    assert mount["mountPath"] == "/etc/previews/authorities"


@pytest.mark.parametrize(("region", "count"), [("eu-west-1", 3), ("xx-new-1", 87)])
def test_a_region_s_authorities_are_its_own_and_those_of_a_new_one_are_all(
    region: str, count: int
) -> None:
    assert authorities(region).count("BEGIN CERTIFICATE") == count


def test_without_a_proof_libpq_gets_no_authorities(tmp_path: Path) -> None:
    """With authorities it would demand a proof for `require` too."""
    database = STAGING_CONFIG["database"] | {"sslMode": "require"}
    staging = deploy("staging", main, config=STAGING_CONFIG | {"database": database})
    only = container(described(staging, tmp_path, DESCRIBED), "service")
    assert plain(only)["PGSSLROOTCERT"] == ""


def test_without_a_migration_there_is_no_job_of_one(stack: Deployment) -> None:
    assert [r.name for r in stack.registrations if r.type == JOB] == ["prepare"]


def test_a_worker_has_the_service_s_image_environment_and_secrets(stack: Deployment) -> None:
    worker, service = container(stack, "worker-mail"), container(stack, "service")
    assert worker["command"] == ["celery", "worker"]
    assert worker["image"] == service["image"]
    assert plain(worker) == {**plain(service), "QUEUE": "mail"}
    assert from_secrets(worker) == from_secrets(service)
    assert workload(stack, "worker-mail")["replicas"] == 2
    assert "ports" not in worker
    services = {
        r.inputs["spec"]["selector"]["app.kubernetes.io/name"]
        for r in stack.registrations
        if r.type == "kubernetes:core/v1:Service"
    }
    assert services == {"service", "web-frontend"}


def test_a_further_image_has_its_own_path_and_no_login(stack: Deployment) -> None:
    frontend = container(stack, "web-frontend")
    assert from_secrets(frontend) == {}
    assert frontend["image"] != container(stack, "service")["image"]
    [rule] = stack.one("kubernetes:networking.k8s.io/v1:Ingress").inputs["spec"]["rules"]
    assert [(p["path"], p["backend"]["service"]["name"]) for p in rule["http"]["paths"]] == [
        ("/api", "service"),
        ("/", "web-frontend"),
    ]
    spec = stack.one(NETWORK_POLICY, "allow-load-balancer-web-frontend").inputs["spec"]
    assert spec["podSelector"] == {"matchLabels": {"app.kubernetes.io/name": "web-frontend"}}
    assert spec["ingress"][0]["ports"] == [{"port": 3000, "protocol": "TCP"}]
    # Pulumi registers the two images side by side, in either order.
    tags = {
        tag
        for r in stack.registrations
        if r.type == "docker-build:index:Image"
        for tag in r.inputs["tags"]
    }
    assert sorted(tag.endswith(".frontend") for tag in tags) == [False, True]


def test_the_build_of_a_further_image_knows_the_preview(stack: Deployment) -> None:
    images = {
        one.name.rpartition("-")[0]: one.inputs for one in stack.registrations if one.type == IMAGE
    }
    url = stack.outputs["url"]
    assert images["image-frontend"]["buildArgs"] == {"API": f"{url}/api", "PR": "42", "PLAIN": "a"}
    assert "buildArgs" not in images["image"]


def test_secrets_are_generated_or_read_and_never_in_the_program(stack: Deployment) -> None:
    assert from_secrets(container(stack, "service"))["SECRET_KEY"] == (
        "generated-secret-key",
        "value",
    )
    assert from_secrets(container(stack, "service"))["STRIPE_KEY"] == ("app-secrets", "STRIPE_KEY")
    managed = stack.one(EXTERNAL_SECRET, "app-secrets").inputs["spec"]
    assert managed["data"] == [
        {
            "secretKey": "STRIPE_KEY",
            "remoteRef": {"key": "previews/previews/stripe", "property": "key"},
        }
    ]
    [role] = [
        r for r in stack.registrations if r.type == ROLE and r.inputs["name"] == "pr-42-app-secrets"
    ]
    assert "system:serviceaccount:pr-42:app-secrets" in role.inputs["assumeRolePolicy"]
    [permission] = [
        r
        for r in stack.registrations
        if r.type == ROLE_POLICY and r.inputs["name"] == "read-secrets-of-the-app"
    ]
    read, decrypt = json.loads(permission.inputs["policy"])["Statement"]
    # The team may have encrypted the secret with a key of its own.
    assert decrypt["Resource"] == "arn:aws:kms:eu-west-1:123456789012:key/*"
    assert decrypt["Condition"] == {
        "StringEquals": {"kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com"},
        "StringLike": {"kms:EncryptionContext:SecretARN": read["Resource"]},
    }


def test_the_quota_counts_every_part(stack: Deployment) -> None:
    hard = stack.one("kubernetes:core/v1:ResourceQuota").inputs["spec"]["hard"]
    # Service and frontend 2 pods each, worker 2; 2 more of each while it rolls out; a Job.
    assert hard["pods"] == str(3 * (2 + 2) + 1)
    assert hard["limits.memory"] == f"{4 * 512 + 8 * 256 + 512}Mi"


def test_every_resource_has_a_name_of_its_own_in_the_state(
    staging: Deployment, tmp_path: Path
) -> None:
    """The engine refuses a second one of the same type, name and parents' types."""
    further = "needs: {redis: {}, mail: {}}\n" + DESCRIBED.replace(
        "workers:", "workers:\n  beat: { command: celery beat }"
    )
    urns = [r.urn for r in described(staging, tmp_path, further).registrations]
    assert sorted(set(urns)) == sorted(urns)


def test_no_policy_forbids_it(stack: Deployment) -> None:
    assert [str(violation) for violation in violations(declared(stack))] == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "service: {memory: 4096Mi}",
            r"service.memory: it is 4096Mi, .* at most 2048Mi.*limits.memory, to 8192Mi at most",
        ),
        ("workers: {a: {command: x, cpu: 3}}", r"workers.a.cpu: it is 3, .* at most 2"),
        (
            "service: {idle_timeout_seconds: 300}",
            r"preview.yaml, service.idle_timeout_seconds: it is 300, but the load balancer",
        ),
        (
            "web: {a: {path: /a, image: {}}, b: {path: /b, image: {}, idle_timeout_seconds: 300}}",
            r"preview.yaml, web.b.idle_timeout_seconds: it is 300, but the load balancer",
        ),
        ("service: {port: 80}", r"line 1: service.port is wrong"),
    ],
)
def test_what_the_platform_does_not_allow_is_refused(
    staging: Deployment, tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(Exception, match=f"(?s){complaint}"):
        described(staging, tmp_path, text)


def test_a_missing_description_is_named(staging: Deployment, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    with pytest.raises(Exception, match=r"preview\.yaml.*there is no such file"):
        deploy(
            "pr-42",
            main,
            config=PREVIEW_CONFIG | {"source": str(tmp_path)},
            cloud=Cloud(staging=staging.outputs),
        )


def test_dollars_reach_containers_and_builds_as_they_were_written(
    staging: Deployment, tmp_path: Path
) -> None:
    """A real kubelet expands them, and a build does not."""
    stack = described(
        staging,
        tmp_path,
        """
service:
  path: /api
  command: [sh, -c, 'echo $$ $(date) ${PORT} $(PREVIEW_DATABASE_PASSWORD); exec app']
  environment:
    PLAIN: pa$$word
    SHELL_LIKE: "${user} $({user}) $(date)"
    JSON: '{{"port": {port}, "of": {{"login": "{user}"}}}}'
    LITERAL: $$(PREVIEW_DATABASE_PASSWORD)
database: { migrate: [sh, -c, 'echo $$'] }
web:
  frontend:
    path: /
    image: { context: frontend, args: { DATE: $(date), AT: "$${app_url} {{$}}" } }
""",
    )
    found = container(stack, "service")
    known = {"PREVIEW_DATABASE_USER": "app", "PREVIEW_DATABASE_PASSWORD": "hunter2"}
    variables = container_environment(found["env"], known)
    assert variables["PLAIN"] == "pa$$word"
    assert variables["SHELL_LIKE"] == "$app $(app) $(date)"
    assert json.loads(variables["JSON"]) == {"port": 5432, "of": {"login": "app"}}
    assert variables["LITERAL"] == "$$(PREVIEW_DATABASE_PASSWORD)"
    assert [expand(word, variables) for word in found["command"]] == [
        "sh",
        "-c",
        "echo $$ $(date) ${PORT} $(PREVIEW_DATABASE_PASSWORD); exec app",
    ]
    [migrate] = [
        r.inputs["spec"]["template"]["spec"]["containers"][0]
        for r in stack.registrations
        if r.type == JOB and r.name == "migrate"
    ]
    assert [expand(word, variables) for word in migrate["command"]] == ["sh", "-c", "echo $$"]
    [args] = [
        r.inputs["buildArgs"]
        for r in stack.registrations
        if r.type == IMAGE and r.name.startswith("image-frontend-")
    ]
    assert args["DATE"] == "$(date)"
    assert args["AT"].startswith("$$http")
    assert args["AT"].endswith(" {$}")


def test_images_that_ci_has_built_are_deployed_and_none_is_built(
    staging: Deployment, tmp_path: Path
) -> None:
    own, frontend = ("sha256:" + digit * 64 for digit in "12")
    given = described(staging, tmp_path, DESCRIBED, image=own, webImages={"frontend": frontend})
    assert not [r for r in given.registrations if r.type == "docker-build:index:Image"]
    repository = staging.outputs["platform"]["images"]["repository_url"]
    assert container(given, "web-frontend")["image"] == f"{repository}@{frontend}"
    assert container(given, "service")["image"] == f"{repository}@{own}"
    assert given.outputs["webImages"] == {"frontend": f"{repository}@{frontend}"}


def test_a_further_image_that_ci_has_not_built_is_built(
    staging: Deployment, tmp_path: Path
) -> None:
    given = described(staging, tmp_path, DESCRIBED, image="sha256:" + "1" * 64)
    [built] = [r for r in given.registrations if r.type == "docker-build:index:Image"]
    assert built.name.startswith("image-frontend-")


@pytest.mark.parametrize("value", ["latest", "sha256:1", "registry.test/x:1"])
def test_a_further_image_is_named_by_digest(
    staging: Deployment, tmp_path: Path, value: str
) -> None:
    with pytest.raises(Exception, match=r"(?s)previews:webImages\.frontend"):
        described(staging, tmp_path, DESCRIBED, webImages={"frontend": value})
