"""Small programs through the real engine, the stand-in and a real Kubernetes API."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.providers.engine import Stack, World

pytestmark = pytest.mark.sandbox

_PROGRAM = """
import os
import pulumi
import pulumi_kubernetes as k8s

stack, env = pulumi.get_stack(), os.environ.get
cluster = k8s.Provider("cluster", context=env("CONTEXT") or "sandbox")
only = pulumi.ResourceOptions(provider=cluster)
namespace = k8s.core.v1.Namespace("namespace", metadata={"name": stack}, opts=only)

def inside(*after):
    return pulumi.ResourceOptions(provider=cluster, deleted_with=namespace, depends_on=after)

def meta(name, **annotations):
    named = {f"pulumi.com/{key}": value for key, value in annotations.items()}
    return {"name": name, "namespace": namespace.metadata.name, "annotations": named}

quota = k8s.core.v1.ResourceQuota(
    "quota", metadata=meta("quota"), spec={"hard": {"pods": "9"}}, opts=inside())
k8s.core.v1.ConfigMap(
    "config", metadata=meta("config"), data={"a": env("DATA") or "1"}, opts=inside())
k8s.core.v1.Secret(
    "secret", metadata=meta("secret"),
    string_data={"password": pulumi.Output.secret("hunter2")}, opts=inside())
if env("MORE") == "foreign":
    k8s.core.v1.ServiceAccount("default", metadata=meta("default"), opts=inside())
if env("MORE") == "annotation":
    k8s.core.v1.ConfigMap("odd", metadata=meta("odd", patchForce="true"), data={}, opts=inside())
if env("MORE") == "field":
    k8s.apiextensions.CustomResource(
        "odd", api_version="v1", kind="ConfigMap", metadata=meta("odd"), spec={"a": 1},
        opts=inside())
if env("MORE") == "chart":
    k8s.helm.v3.Release("chart", chart="x", opts=inside())

def pods(fate, name, **more):
    return {
        "metadata": {"labels": {"app": name, "fate": fate}},
        "spec": {"containers": [{"name": name, "image": "x:" + (env("TAG") or "1")}], **more},
    }

job = k8s.batch.v1.Job(
    "migrate", metadata=meta("migrate", replaceUnready="true", timeoutSeconds="60"),
    spec={"backoffLimit": 0,
          "template": pods(env("JOB") or "works", "migrate", restartPolicy="Never")},
    opts=inside(quota))
web = k8s.apps.v1.Deployment(
    "web", metadata=meta("web", timeoutSeconds="60"),
    spec={"replicas": 1, "progressDeadlineSeconds": 2, "selector": {"matchLabels": {"app": "web"}},
          "template": pods(env("WEB") or "works", "web")},
    opts=pulumi.ResourceOptions(provider=cluster, depends_on=[job]))
service = k8s.core.v1.Service(
    "service", metadata=meta("web", timeoutSeconds="60"),
    spec={"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8000}]},
    opts=inside(web))
pulumi.export("address", service.spec.cluster_ip)
"""


@pytest.fixture
def stack(world: World, tmp_path: Path, request: pytest.FixtureRequest) -> Stack:
    name = re.sub(r"\W|_", "-", request.node.name.removeprefix("test_"))[:40].strip("-")
    return Stack(world, tmp_path, name, _PROGRAM)


def _jobs(stack: Stack) -> list[dict[str, Any]]:
    with stack.world.api() as api:
        return list(api.get(f"/apis/batch/v1/namespaces/{stack.name}/jobs").json()["items"])


def _locks(stack: Stack) -> list[Path]:
    locks = stack.world.settings.home / "pulumi" / "state" / ".pulumi" / "locks"
    return [it for it in locks.rglob("*.json") if stack.name in str(it)]


def test_up_is_whole_up_again_does_nothing_and_destroy_leaves_nothing(stack: Stack) -> None:
    assert "9 created" in stack.up()
    assert "9 unchanged" in stack.up()
    assert "9 unchanged" in stack.run("refresh", "-y", "--skip-preview")
    assert "9 unchanged" in stack.run("preview")
    state = stack.run("stack", "export")
    assert "hunter2" not in state
    assert stack.resource("service")["outputs"]["spec"]["clusterIP"].startswith("10.")
    replaced = stack.up(DATA="2", TAG="2")
    assert "+-2 replaced" in replaced, replaced  # The ConfigMap and the Job.
    assert "~ 1 updated" in replaced
    assert "9 deleted" in stack.destroy()
    with stack.world.api() as api:
        assert api.get(f"/api/v1/namespaces/{stack.name}").status_code == 404


def test_a_failed_job_shows_its_last_lines_and_the_next_up_makes_it_anew(stack: Stack) -> None:
    text = stack.up(JOB="fails", fails=True)
    assert "exit code 3" in text
    assert "FATAL: column orders.total does not exist" in text
    assert any("BackoffLimitExceeded" in it for it in stack.resource("migrate")["initErrors"])
    [failed] = _jobs(stack)
    refreshed = stack.run("refresh", "-y", "--skip-preview")
    assert "FATAL: column orders.total does not exist" in refreshed
    stack.up(JOB="fails", fails=True)
    [again] = _jobs(stack)
    assert again["metadata"]["uid"] != failed["metadata"]["uid"]
    stack.up()
    stack.destroy()


def test_a_rollout_that_does_not_progress_fails_and_the_next_one_works(stack: Stack) -> None:
    stack.up()
    text = stack.up(WEB="waits", fails=True)
    assert "has timed out progressing" in text
    assert "pending, no container was started" in text
    stack.up(TAG="2")
    stack.destroy()


def test_ctrl_c_ends_the_wait_and_the_next_up_converges(stack: Stack) -> None:
    text = stack.interrupt(signal.SIGINT, "Pods active", JOB="waits")
    assert "Job" in text
    assert "the update was cancelled while this was being waited for" in text
    assert _locks(stack) == []
    assert stack.resource("migrate")["initErrors"]
    stack.up(JOB="works")
    assert len(_jobs(stack)) == 1
    stack.destroy()


@pytest.mark.parametrize("fate", ["waits", "works"])
def test_kill_9_in_the_middle(stack: Stack, fate: str) -> None:
    stack.interrupt(signal.SIGKILL, "Pods active", JOB="waits")
    [left] = _jobs(stack)
    stack.run("cancel", "-y", stack.name)
    if fate == "works":  # Another Pod template, which a Job cannot change to.
        stack.up(JOB="works")
        assert _jobs(stack)[0]["metadata"]["uid"] != left["metadata"]["uid"]
    else:
        stack.interrupt(signal.SIGINT, "Pods active", JOB="waits")
        assert _jobs(stack)[0]["metadata"]["uid"] == left["metadata"]["uid"]
    assert len(_jobs(stack)) == 1
    stack.destroy()


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ("foreign", "it exists already, and this stack's resource did not make it"),
        ("annotation", 'metadata.annotations["pulumi.com/patchForce"]'),
        ("field", ".spec: field not declared in schema"),
        ("chart", "kubernetes:helm.sh/v3:Release"),
    ],
)
def test_what_is_not_known_or_not_ours_is_refused_by_name(
    stack: Stack, more: str, text: str
) -> None:
    assert text in stack.up(MORE=more, fails=True)
    stack.destroy()


def test_two_engines_at_once_each_keep_their_own_settings(world: World, tmp_path: Path) -> None:
    one, two = (Stack(world, tmp_path, name, _PROGRAM) for name in ("at-once-1", "at-once-2"))
    good = one.start("up", "-y", "--skip-preview")
    bad = two.start("up", "-y", "--skip-preview", CONTEXT="nowhere")
    good_text, bad_text = good.communicate(timeout=120)[0], bad.communicate(timeout=120)[0]
    assert good.returncode == 0, good_text
    assert bad.returncode != 0
    assert "context 'nowhere'" in bad_text
    assert "there are: sandbox" in bad_text
    one.destroy()


def test_a_stand_in_that_was_killed_serves_again_at_the_same_ports(stack: Stack) -> None:
    before = stack.world.variables["PULUMI_DEBUG_PROVIDERS"]
    stack.up()
    stack.world.restart("providers")
    assert stack.world.variables["PULUMI_DEBUG_PROVIDERS"] == before
    assert "9 unchanged" in stack.up()
    stack.destroy()
