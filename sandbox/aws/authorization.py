"""Who may assume a role by a service account's token (IRSA), and what its sessions may read.

moto gives any role to anybody, and enforces policies for all callers or for none, without their
resources and principals. Here a token must be one that the cluster's API server signed, and the
role's trust policy must name its subject and audience:
AWS/latest/APIReference/API_AssumeRoleWithWebIdentity.html in the STS reference. Sessions are held
to their role's policies where it matters: a preview must not read another's password.
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
# Access keys of sessions begin so: IAM/latest/UserGuide/reference_identifiers.html
_SESSION_KEY = "ASIA"


def install(issuer: str, signing_key: Path) -> None:
    """Have moto authorize these two; all other requests pass.

    Args:
        issuer: Who must have issued the tokens; IAM has an OIDC provider for it.
        signing_key: PEM file of the key by which the API server signs them.
    """
    assume = TokenResponse.assume_role_with_web_identity

    def assume_role_with_web_identity(request: TokenResponse) -> Any:
        _forget_expired_sessions()
        claims = _claims(request._get_param("WebIdentityToken") or "", issuer, signing_key)  # noqa: SLF001 - responses are given no other way
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
        raise STSClientError("InvalidIdentityToken", "Issuer of the token is another one")
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
    """A session an hour for every preview would fill the state."""
    sessions, keys = sts_backends[ACCOUNT][_PARTITION].assumed_roles, _iam().access_keys
    now = time.time()
    for session in [one for one in sessions if one.expiration.timestamp() <= now]:
        sessions.remove(session)
        keys.pop(session.access_key_id, None)


def _authorize_session(request: SecretsManagerResponse, _: str = "*") -> None:
    """Refuse what a session's role is not allowed; other callers are the administrator."""
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
    known = secretsmanager_backends[ACCOUNT][REGION].secrets
    arn = known[secret].arn if secret in known else secret
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
