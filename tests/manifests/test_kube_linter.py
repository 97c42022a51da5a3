"""kube-linter is not to be had from a registry: who covers each check that it makes unasked.

The names are those of its documentation (docs/generated/checks.md, enabled by default).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.policies.catalogue import RULES, STACK_RULES
from tests.manifests.linters import checkov_passed, kube_score_checks

POLICY, KUBE_SCORE, CHECKOV = "policy", "kube-score", "checkov"

COVERED: dict[str, tuple[str, str]] = {
    "dangling-service": (KUBE_SCORE, "service-targets-pod"),
    "deprecated-service-account-field": (POLICY, "account-by-its-name"),
    "docker-sock": (CHECKOV, "CKV_K8S_27"),
    "drop-net-raw-capability": (CHECKOV, "CKV_K8S_28"),
    "duplicate-env-var": (KUBE_SCORE, "environment-variable-key-duplication"),
    "env-var-secret": (POLICY, "no-secret-variable"),
    "host-ipc": (CHECKOV, "CKV_K8S_18"),
    "host-network": (CHECKOV, "CKV_K8S_19"),
    "host-pid": (CHECKOV, "CKV_K8S_17"),
    "invalid-target-ports": (POLICY, "ports-found"),
    "latest-tag": (KUBE_SCORE, "container-image-tag"),
    "liveness-port": (POLICY, "ports-found"),
    "mismatching-selector": (
        KUBE_SCORE,
        "deployment-pod-selector-labels-match-template-metadata-labels",
    ),
    "no-anti-affinity": (POLICY, "replicas-spread"),
    "no-extensions-v1beta": (KUBE_SCORE, "stable-version"),
    "no-read-only-root-fs": (KUBE_SCORE, "container-security-context-readonlyrootfilesystem"),
    "non-existent-service-account": (POLICY, "objects-found"),
    "pdb-max-unavailable": (POLICY, "lets-nodes-go"),
    "pdb-min-available": (POLICY, "lets-nodes-go"),
    "pdb-unhealthy-pod-eviction-policy": (POLICY, "lets-nodes-go"),
    "privilege-escalation-container": (CHECKOV, "CKV_K8S_20"),
    "privileged-container": (KUBE_SCORE, "container-security-context-privileged"),
    "readiness-port": (POLICY, "ports-found"),
    "run-as-non-root": (CHECKOV, "CKV_K8S_23"),
    "sensitive-host-mounts": (POLICY, "pod-restricted"),
    "ssh-port": (POLICY, "ports-found"),
    "startup-port": (POLICY, "ports-found"),
    "unsafe-sysctls": (POLICY, "pod-restricted"),
    "unset-cpu-requirements": (KUBE_SCORE, "container-resources"),
    "unset-memory-requirements": (KUBE_SCORE, "container-resources"),
}

EXCEPTED = {
    "job-ttl-seconds-after-finished": (
        "Pulumi keeps the Jobs. One that Kubernetes deletes is missed at the next refresh, and the"
        " next `up` would prepare the database and migrate it once more."
    ),
}


def names(tool: str) -> list[str]:
    return sorted({name for by, name in COVERED.values() if by == tool})


def test_each_of_the_31_checks_is_covered_or_excepted() -> None:
    assert len(COVERED) + len(EXCEPTED) == 31
    assert COVERED.keys() & EXCEPTED.keys() == set()


def test_our_rules_are_there() -> None:
    assert set(names(POLICY)) <= {rule.name for rule in (*RULES, *STACK_RULES)}


@pytest.mark.sandbox
def test_kube_score_makes_its_checks_unasked() -> None:
    assert set(names(KUBE_SCORE)) <= kube_score_checks()


@pytest.mark.sandbox
def test_checkov_makes_its_checks_on_our_objects(manifests: Path) -> None:
    assert set(names(CHECKOV)) <= checkov_passed(manifests.parent)
