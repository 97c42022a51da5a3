"""What a session of an assumed role may read from Secrets Manager.

moto can enforce policies, but for all callers or none, and without looking at
the resource. Here sessions are held to their role's policies where it matters:
a preview must not read another's password.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from moto.iam.models import IAMBackend, iam_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.sts.models import AssumedRole, sts_backends

from sandbox.aws.identity import ACCOUNT, REGION
from sandbox.aws.policy import Attempt, is_allowed
from sandbox.aws.refusal import Refusal
from sandbox.aws.request import AwsRequest

_GUARDED = "secretsmanager"
_PARTITION = "aws"
# Access keys of sessions begin so: IAM/latest/UserGuide/reference_identifiers.html
_SESSION_KEY = "ASIA"


def judge(request: AwsRequest) -> Refusal | None:
    """None when the request may pass."""
    key = request.access_key
    if request.service != _GUARDED or key is None or not key.startswith(_SESSION_KEY):
        return None
    session = sts_backends[ACCOUNT][_PARTITION].get_assumed_role_from_access_key(key)
    if session is None:
        return Refusal(
            "UnrecognizedClientException", "The security token included in the request is invalid."
        )
    if session.expiration.timestamp() < time.time():
        return Refusal(
            "ExpiredTokenException", "The security token included in the request is expired"
        )
    return _judge(session, request)


def _judge(session: AssumedRole, request: AwsRequest) -> Refusal | None:
    action = f"{_GUARDED}:{request.action}"
    resource = _secret_arn(str(request.document.get("SecretId", "*")))
    name = session.role_arn.rpartition("/")[2]
    if is_allowed(_policies(iam_backends[ACCOUNT][_PARTITION], name), Attempt(action, resource)):
        return None
    return Refusal(
        "AccessDeniedException",
        f"User: {session.arn} is not authorized to perform: {action} on resource: {resource}"
        " because no identity-based policy allows the action",
    )


def _secret_arn(identifier: str) -> str:
    secrets = secretsmanager_backends[ACCOUNT][REGION].secrets
    return secrets[identifier].arn if identifier in secrets else identifier


def _policies(backend: IAMBackend, role_name: str) -> Iterator[str]:
    role = next((role for role in backend.roles.values() if role.name == role_name), None)
    if role is None:
        return
    yield from role.policies.values()
    for policy in role.managed_policies.values():
        yield next(version.document for version in policy.versions if version.is_default)
