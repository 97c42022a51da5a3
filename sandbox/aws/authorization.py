"""Authorization of roles that service accounts' tokens assume (IRSA), and of their sessions.

moto lets anybody assume any role, and enforces policies for all callers or for none, without
resources and principals. Here a token must be signed by the cluster's API server, and the role's
trust policy must allow its subject and audience:
AWS/latest/APIReference/API_AssumeRoleWithWebIdentity.html in the STS reference. The policies of
a session's role are enforced for secrets and for buckets: a preview must not read another's
password or files. A bucket's own policy may deny more.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from moto.core.exceptions import JsonRESTError
from moto.iam.access_control import PermissionResult
from moto.iam.models import IAMBackend, iam_backends
from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeBucket, s3_backends
from moto.s3.responses import S3Response
from moto.secretsmanager.models import secretsmanager_backends
from moto.secretsmanager.responses import SecretsManagerResponse
from moto.sts.exceptions import STSClientError
from moto.sts.models import AssumedRole, sts_backends
from moto.sts.responses import TokenResponse

from sandbox.aws.identity import ACCOUNT, REGION
from sandbox.aws.policy import Attempt, is_allowed, is_denied

_PARTITION = "aws"
_ASSUME = "sts:AssumeRoleWithWebIdentity"
# Prefix of sessions' access keys: IAM/latest/UserGuide/reference_identifiers.html
_SESSION_KEY = "ASIA"
_OBJECT_ACTIONS = re.compile(r"(Get|Put|Delete|Restore)Object|AbortMultipartUpload")
# moto's names of actions that IAM names otherwise.
_BUCKET_ACTIONS = {"HeadBucket": "ListBucket"}
_UNKNOWN = "The security token included in the request is invalid."
_EXPIRED = "The security token included in the request is expired"
# The APIs here stand for AWS's own, which apps reach by TLS.
_BY_TLS = {"aws:SecureTransport": "true"}


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
    SecretsManagerResponse._authenticate_and_authorize_normal_action = _authorize_secret  # noqa: SLF001 - moto's hook for it
    S3Response._authenticate_and_authorize_s3_action = _authorize_bucket  # noqa: SLF001 - as above
    # moto itself ignores the conditions of a bucket's policy, and so would deny everything.
    FakeBucket.get_permission = lambda *_: PermissionResult.NEUTRAL


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


def _authorize_secret(request: SecretsManagerResponse, _: str = "*") -> None:
    """Reject what a session's role does not allow; other callers are the administrator."""
    key = request.get_access_key()
    if not key.startswith(_SESSION_KEY):
        return
    session = _session(key)
    if session is None:
        raise JsonRESTError("UnrecognizedClientException", _UNKNOWN)
    if session.expiration.timestamp() < time.time():
        raise JsonRESTError("ExpiredTokenException", _EXPIRED)
    action = f"secretsmanager:{request._get_action()}"  # noqa: SLF001 - as above
    secret = str(request._get_param("SecretId") or "*")  # noqa: SLF001 - as above
    secrets = secretsmanager_backends[ACCOUNT][REGION].secrets
    arn = secrets[secret].arn if secret in secrets else secret
    if not is_allowed(_policies(session.role_arn), Attempt(action, arn)):
        raise JsonRESTError("AccessDeniedException", _denied(session, action, arn))


def _authorize_bucket(
    request: S3Response, bucket_name: str | None = None, key_name: str | None = None
) -> None:
    """Reject what a session's role or the bucket's policy does not allow, as above."""
    key = _s3_access_key(request)
    if not key.startswith(_SESSION_KEY):
        return
    session = _session(key)
    if session is None:
        raise S3ClientError("InvalidAccessKeyId", _UNKNOWN)
    if session.expiration.timestamp() < time.time():
        raise S3ClientError("ExpiredToken", _EXPIRED)
    name = str(request.data["Action"])
    # A call about several objects names none of them here.
    objects = key_name or ("*" if _OBJECT_ACTIONS.match(name) else "")
    arn = f"arn:{_PARTITION}:s3:::{bucket_name or '*'}{'/' if objects else ''}{objects}"
    action = f"s3:{_BUCKET_ACTIONS.get(name, name)}"
    attempt = Attempt(action, arn, context=_BY_TLS)
    bucket = s3_backends[ACCOUNT][_PARTITION].buckets.get(bucket_name)
    own = [] if bucket is None or bucket.policy is None else [bucket.policy.decode()]
    if not is_allowed(_policies(session.role_arn), attempt) or is_denied(
        own, replace(attempt, caller=session.role_arn)
    ):
        raise S3ClientError("AccessDenied", _denied(session, action, arn))


def _s3_access_key(request: S3Response) -> str:
    """Return the caller's access key, which a presigned URL has in its query."""
    credential = request.querystring.get("X-Amz-Credential")
    return str(credential[0].partition("/")[0] if credential else request.get_access_key())


def _session(key: str) -> AssumedRole | None:
    return sts_backends[ACCOUNT][_PARTITION].get_assumed_role_from_access_key(key)


def _denied(session: AssumedRole, action: str, arn: str) -> str:
    return (
        f"User: {session.arn} is not authorized to perform: {action} on resource: {arn}"
        " because no identity-based policy allows the action"
    )


def _policies(role_arn: str) -> Iterator[str]:
    name = role_arn.rpartition("/")[2]
    for role in _iam().roles.values():
        if role.name == name:
            yield from role.policies.values()
            for policy in role.managed_policies.values():
                yield next(version.document for version in policy.versions if version.is_default)
