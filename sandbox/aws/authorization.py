"""Authorization of roles that service accounts' tokens assume (IRSA), and of their sessions.

moto lets anybody assume any role, and enforces policies for all callers or for none, without
resources and principals. Here a token must be signed by the cluster's API server, and the role's
trust policy must allow its subject and audience:
AWS/latest/APIReference/API_AssumeRoleWithWebIdentity.html in the STS reference. The policies of
a session's role are enforced for secrets: a preview must not read another's password.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from moto.core.exceptions import JsonRESTError
from moto.iam.models import IAMBackend, iam_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.secretsmanager.responses import SecretsManagerResponse
from moto.sts.exceptions import STSClientError
from moto.sts.models import sts_backends
from moto.sts.responses import TokenResponse

from sandbox.aws.identity import ACCOUNT, REGION
from sandbox.aws.policy import Attempt, is_allowed

_PARTITION = "aws"
_ASSUME = "sts:AssumeRoleWithWebIdentity"
# Prefix of sessions' access keys: IAM/latest/UserGuide/reference_identifiers.html
_SESSION_KEY = "ASIA"


def install(issuer: str, signing_key: Path) -> None:
    """Make moto authorize these requests; all others are allowed.

    Args:
        issuer: Issuer that tokens must have; IAM has an OIDC provider for it.
        signing_key: PEM file of the key with which the API server signs them.
    """
    assume = TokenResponse.assume_role_with_web_identity

    def assume_role_with_web_identity(request: TokenResponse) -> Any:
        _forget_expired_sessions()
        claims = _claims(request._get_param("WebIdentityToken") or "", issuer, signing_key)  # noqa: SLF001 - there is no other way to the parameters
        _require_trust(request._get_param("RoleArn"), claims)  # noqa: SLF001 - as above
        return assume(request)

    TokenResponse.assume_role_with_web_identity = assume_role_with_web_identity
    SecretsManagerResponse._authenticate_and_authorize_normal_action = _authorize_session  # noqa: SLF001 - moto's hook for it


def _iam() -> IAMBackend:
    return iam_backends[ACCOUNT][_PARTITION]


def _claims(token: str, issuer: str, signing_key: Path) -> dict[str, Any]:
    provider = f"oidc-provider/{issuer.removeprefix('https://')}"
    if not any(arn.endswith(provider) for arn in _iam().open_id_providers):
        raise STSClientError(
            "InvalidIdentityToken", f"No OpenIDConnect provider found in your account for {issuer}"
        )
    try:
        key = RSAKey.import_key(signing_key.read_bytes())
        claims = dict(jwt.decode(token, key, algorithms=["RS256"]).claims)
    except FileNotFoundError as error:
        message = "The cluster has no signing key yet"
        raise STSClientError("InvalidIdentityToken", message) from error
    except (JoseError, ValueError) as error:
        message = f"The token can't be verified: {error}"
        raise STSClientError("InvalidIdentityToken", message) from error
    if claims.get("iss") != issuer:
        raise STSClientError("InvalidIdentityToken", "Token has another issuer")
    if float(claims.get("exp", 0)) < time.time():
        raise STSClientError("ExpiredTokenException", "Token is expired")
    return claims


def _require_trust(role_arn: str, claims: dict[str, Any]) -> None:
    host = str(claims["iss"]).removeprefix("https://")
    audiences = claims.get("aud") or [""]
    attempt = Attempt(
        action=_ASSUME,
        federated=f"arn:aws:iam::{ACCOUNT}:oidc-provider/{host}",
        context={
            f"{host}:sub": str(claims.get("sub")),
            f"{host}:aud": audiences[0] if isinstance(audiences, list) else str(audiences),
        },
    )
    trust = [
        str(role.assume_role_policy_document)
        for role in _iam().roles.values()
        if role.arn == role_arn
    ]
    if not is_allowed(trust, attempt):
        raise STSClientError("AccessDenied", f"Not authorized to perform {_ASSUME}")


def _forget_expired_sessions() -> None:
    """Delete expired sessions: each preview adds one an hour to the state."""
    sessions, keys = sts_backends[ACCOUNT][_PARTITION].assumed_roles, _iam().access_keys
    now = time.time()
    for session in [one for one in sessions if one.expiration.timestamp() <= now]:
        sessions.remove(session)
        keys.pop(session.access_key_id, None)


def _authorize_session(request: SecretsManagerResponse, _: str = "*") -> None:
    """Reject what a session's role does not allow; other callers are the administrator."""
    key = request.get_access_key()
    if not key.startswith(_SESSION_KEY):
        return
    session = sts_backends[ACCOUNT][_PARTITION].get_assumed_role_from_access_key(key)
    if session is None:
        raise JsonRESTError(
            "UnrecognizedClientException", "The security token included in the request is invalid."
        )
    if session.expiration.timestamp() < time.time():
        raise JsonRESTError(
            "ExpiredTokenException", "The security token included in the request is expired"
        )
    action = f"secretsmanager:{request._get_action()}"  # noqa: SLF001 - as above
    secret = str(request._get_param("SecretId") or "*")  # noqa: SLF001 - as above
    secrets = secretsmanager_backends[ACCOUNT][REGION].secrets
    arn = secrets[secret].arn if secret in secrets else secret
    if not is_allowed(_policies(session.role_arn), Attempt(action, arn)):
        raise JsonRESTError(
            "AccessDeniedException",
            f"User: {session.arn} is not authorized to perform: {action} on resource: {arn}"
            " because no identity-based policy allows the action",
        )


def _policies(role_arn: str) -> Iterator[str]:
    name = role_arn.rpartition("/")[2]
    for role in _iam().roles.values():
        if role.name == name:
            yield from role.policies.values()
            for policy in role.managed_policies.values():
                yield next(version.document for version in policy.versions if version.is_default)
