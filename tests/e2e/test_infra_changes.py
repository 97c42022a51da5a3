"""A pull request's program: compared by somebody who only reads, and deployed by the platform."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.ci.plan_access import PLANNER, PLANNERS, planner_reads
from tests.e2e.world import World, commit, git

COMMIT = "c" * 40
_DECLARED = "        disruption_budget(name, scope, after_deployment)\n"
_CHANGED = (
    '        core.v1.ConfigMap("extra", metadata=scope.metadata("extra"), opts=after_deployment)\n'
)


@pytest.fixture
def pull(world: World, tmp_path: Path) -> Path:
    """A pull request's checkout, whose program declares another object in place of one."""
    folder = tmp_path / "pull"
    git(world.checkout, "clone", "--quiet", "--no-hardlinks", str(world.checkout), str(folder))
    program = folder / "infra" / "app" / "web_service.py"
    changed = program.read_text().replace(_DECLARED, _CHANGED)
    assert _CHANGED in changed
    program.write_text(changed)
    commit(folder, "Change the program")
    return folder


def planner_rights(namespace: str) -> str:
    """The rights of the role that compares, as EKS and RBAC grant them together."""
    api = "rbac.authorization.k8s.io"
    subjects = [{"apiGroup": api, "kind": "Group", "name": PLANNERS}]
    rules = [
        {"apiGroups": [group], "resources": [resource], "verbs": ["get", "list", "watch"]}
        for group, resource in planner_reads()
    ]

    def made(kind: str, metadata: Mapping[str, str], **more: Any) -> dict[str, Any]:
        return {"apiVersion": f"{api}/v1", "kind": kind, "metadata": metadata, **more}

    def role(name: str) -> dict[str, str]:
        return {"apiGroup": api, "kind": "ClusterRole", "name": name}

    everywhere = made(
        "ClusterRoleBinding", {"name": PLANNER}, roleRef=role(PLANNER), subjects=subjects
    )
    # The access policy AmazonEKSViewPolicy is Kubernetes' own role `view`.
    in_it = made(
        "RoleBinding",
        {"name": PLANNER, "namespace": namespace},
        roleRef=role("view"),
        subjects=subjects,
    )
    reader = made("ClusterRole", {"name": PLANNER}, rules=rules)
    return yaml.safe_dump_all([reader, everywhere, in_it])


def as_planner(world: World, folder: Path) -> Path:
    """A kubeconfig of somebody in the planner's group."""
    config = yaml.safe_load(world.settings.kubeconfig.read_text())
    for user in config["users"]:
        user["user"] |= {"as": "ci", "as-groups": [PLANNERS, "system:authenticated"]}
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(config))
    return file


def exported(world: World, stack: str) -> dict[str, Any]:
    """The state of a stack."""
    printed = world.run("pulumi", "stack", "export", "--stack", stack)
    return dict(json.loads(printed[printed.index("{") :]))


def test_a_program_is_compared_by_one_who_only_reads(
    world: World, preview: str, number: int, pull: Path, tmp_path: Path
) -> None:
    rights = tmp_path / "rights.yaml"
    rights.write_text(planner_rights(preview))
    world.run("kubectl", "apply", "--filename", str(rights))
    result = tmp_path / "diff.json"
    state = exported(world, preview)
    world.run(
        "env",
        f"KUBECONFIG={as_planner(world, tmp_path)}",
        f"PREVIEWS_PROGRAM={pull}",
        *("previews", "infra-diff", str(number), "--commit", COMMIT, "--result", str(result)),
    )
    changes = json.loads(result.read_text())["changes"]
    found = {(change["op"], change["type"], change["name"]) for change in changes}
    assert ("create", "kubernetes:core/v1:ConfigMap", "extra") in found
    assert ("delete", "kubernetes:policy/v1:PodDisruptionBudget", "disruption-budget") in found
    assert not {op for op, _, _ in found} & {"replace"}
    assert exported(world, preview) == state


def test_it_is_deployed_by_the_platforms_own_command_line(
    world: World, preview: str, number: int, pull: Path
) -> None:
    world.run("env", f"PREVIEWS_PROGRAM={pull}", "previews", "up", str(number))
    assert world.kubectl("get", "configmap", "extra", "--namespace", preview)
