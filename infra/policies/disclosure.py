"""Secrets in plain text: in inputs of a provider, or outputs of a stack.

No password passes through Pulumi at all (docs/decisions/0012-no-password-in-pulumi.md),
so one that is marked as a secret is refused as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from infra.policies.declared import Declared, leaves
from infra.policies.rule import Rule, StackRule
from infra.policies.workloads import TYPES, containers

HOLDERS = frozenset(
    {
        "aws:iam/accessKey:AccessKey",
        "aws:secretsmanager/secretVersion:SecretVersion",
        "aws:ssm/parameter:Parameter",
        "kubernetes:core/v1:Secret",
    }
)
"""Types whose purpose is to hold a secret's value."""

_NAME = re.compile(
    r"(?:password|passwd|passphrase|secret|token|api[_-]?key|private[_-]?key|credentials?)$",
    re.IGNORECASE,
)
# Values may be a pull request's: each expression takes time in proportion to their length.
_VALUES = {
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a URL with a password": re.compile(r"(?<=[a-z0-9+.-])://[^\s/:@]*+:[^\s/@]++@", re.IGNORECASE),
    "a GitHub token": re.compile(r"\b(?:gh[pousr]_[0-9A-Za-z]{36}|github_pat_\w{22,})\b"),
    "a Pulumi token": re.compile(r"\bpul-[0-9a-f]{40}\b"),
    "a signed token": re.compile(
        r"(?<![\w-])(?:(?!\beyJ)[\w-])*+eyJ[\w-]{8,}+\.eyJ[\w-]{8,}+\.[\w-]{8,}+"
    ),
}
# `$(NAME)`: a container's variable, which Kubernetes puts there in the container. It reads from the
# left, and takes `$$` for a dollar of the text.
_REFERENCE = re.compile(r"\$\$|\$\((?P<name>[A-Za-z_][A-Za-z0-9_]*)\)")
# `{{ .password }}`: a placeholder, which External Secrets fills in the cluster.
_TEMPLATE = re.compile(r"^\s*\{\{.*\}\}\s*$")


def no_plain_secret(resource: Declared) -> Iterator[str]:
    """Reject any value that looks like a secret, by its name or by its content."""
    for path, value in leaves(resource.properties):
        # `masterSecret: data-8` names a Secret; it holds none.
        names_one = path[-1].endswith("Secret")
        if not isinstance(value, str) or not value or _TEMPLATE.match(value):
            continue
        if not (names_one and _is_of_the_stack(value, resource.stack.value)):
            yield from _looks_secret(path, _without_references(value))


def _is_of_the_stack(name: str, stack: str) -> bool:
    """Return True for the name of a Secret within the app's own namespace: its stack's, or more."""
    return name == stack or name.startswith(f"{stack}-")


def no_secret_variable(workload: Declared) -> Iterator[str]:
    """Require that a variable with a secret's name takes its value from a Secret.

    It may do so by references to other variables that do.
    """
    for container in containers(workload):
        variables = cast("Sequence[Mapping[str, Any]]", container.properties.get("env") or ())
        taken = {variable.get("name") for variable in variables if "valueFrom" in variable}
        for variable in variables:
            name, value = str(variable.get("name")), str(variable.get("value") or "")
            plain = _without_references(value) or _references(value) - taken
            if plain and _NAME.search(name):
                yield f"container {container.name}: variable {name} has a plain value"


def _without_references(value: str) -> str:
    """Return what of a value stands there in plain text."""
    return _REFERENCE.sub(lambda found: "" if found["name"] else found[0], value)


def _references(value: str) -> set[str]:
    """Return the variables that a value refers to."""
    return {found["name"] for found in _REFERENCE.finditer(value) if found["name"]}


def holds_none(_resource: Declared) -> Iterator[str]:
    """Reject these types: their values would be in the state."""
    yield "its value would be in the state"


def no_secret_output(resources: Sequence[Declared]) -> Iterator[tuple[Declared, str]]:
    """Reject any output of a stack or a component that looks like a secret."""
    for resource in resources:
        for complaint in no_plain_secret(resource):
            yield resource, complaint


def _looks_secret(path: tuple[str, ...], value: str) -> Iterator[str]:
    where = ".".join(path)
    if _NAME.search(path[-1]) and not value.startswith("arn:"):
        yield f"{where} is in plain text"
    for kind, pattern in _VALUES.items():
        if pattern.search(value):
            yield f"{where} holds {kind}"


RULES = (
    Rule(
        "no-plain-secret",
        "No input is a secret in plain text.",
        no_plain_secret,
        of_each_value=True,
    ),
    Rule(
        "no-secret-variable",
        "A pod reads its secrets from Secrets.",
        no_secret_variable,
        TYPES,
        of_each_value=True,
    ),
    Rule(
        "no-secret-holder",
        "No resource type that stores a secret value is declared.",
        holds_none,
        HOLDERS,
    ),
)
STACK_RULES = (
    StackRule(
        "no-secret-output",
        "No output is a secret in plain text.",
        no_secret_output,
        frozenset({"pulumi:pulumi:Stack"}),
        of_each_value=True,
    ),
)
