"""Every type token that a rule names exists: a miscased one would never fire."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from infra.kubernetes.network_rules import HOSTS_API, HOSTS_KIND
from infra.policies import networks, ownership
from infra.policies.catalogue import RULES, STACK_RULES
from tests.infra.world import Deployment

_SDKS = {
    "aws": "pulumi_aws",
    "docker-build": "pulumi_docker_build",
    "kubernetes": "pulumi_kubernetes",
}
_CLASS = re.compile(r'"([a-z-]+:[^":]+:[A-Za-z0-9]+)": "[A-Za-z0-9]+"')

NAMED = sorted(
    {
        *(type_ for rule in (*RULES, *STACK_RULES) for type_ in rule.types),
        *ownership.NAMED_BY,
        *ownership.OBJECTS,
        ownership.NAMESPACE,
        ownership.IMAGE,
    }
    - {"pulumi:pulumi:Stack", networks.HOSTS_POLICY}
)


@cache
def known(package: str) -> frozenset[str]:
    """All type tokens that an SDK registers, read from its source."""
    spec = find_spec(_SDKS[package])
    assert spec is not None
    assert spec.origin is not None
    return frozenset(_CLASS.findall(Path(spec.origin).read_text()))


@pytest.mark.parametrize("token", NAMED)
def test_the_sdk_knows_the_type(token: str) -> None:
    assert token in known(token.partition(":")[0])


def test_a_miscased_type_would_be_found() -> None:
    assert "aws:rds/instance:instance" not in known("aws")
    assert len(known("aws")) > 1000
    assert len(known("kubernetes")) > 100


@pytest.mark.parametrize("token", sorted(ownership.CUSTOM_OBJECTS - {networks.HOSTS_POLICY}))
def test_the_program_makes_what_no_sdk_knows(
    token: str, preview: Deployment, branch: Deployment
) -> None:
    assert token in {r.type for r in (*preview.registrations, *branch.registrations)}


def test_the_program_makes_the_policy_of_names_that_no_sdk_knows() -> None:
    assert f"kubernetes:{HOSTS_API}:{HOSTS_KIND}" == networks.HOSTS_POLICY
