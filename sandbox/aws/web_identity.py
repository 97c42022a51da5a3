"""Whether a Kubernetes service account may take an IAM role (IRSA).

moto gives any role to anybody. Here the token must be one that the cluster's
API server signed, and the role's trust policy must name its subject and audience:
AWS/latest/APIReference/API_AssumeRoleWithWebIdentity.html in the STS reference.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from sandbox.aws.identity import ACCOUNT
from sandbox.aws.policy import Attempt, is_allowed
from sandbox.aws.refusal import Refusal
from sandbox.aws.request import AwsRequest

_PARTITION = "aws"
ASSUME = "AssumeRoleWithWebIdentity"


@dataclass(frozen=True)
class WebIdentity:
    """Judges requests to take a role.

    Attributes:
        issuer: Who must have issued the tokens; IAM has an OIDC provider for it.
        signing_key: PEM file of the key by which the API server signs them.
    """

    issuer: str
    signing_key: Path

    def judge(self, request: AwsRequest) -> Refusal | None:
        """None when the role may be taken, or when it is another request."""
        if request.action != ASSUME:
            return None
        _forget_expired_sessions()
        claims = self._claims(request.form.get("WebIdentityToken", ""))
        if isinstance(claims, Refusal):
            return claims
        role = request.form.get("RoleArn", "")
        host = self.issuer.removeprefix("https://")
        attempt = Attempt(
            action=f"sts:{ASSUME}",
            federated=f"arn:aws:iam::{ACCOUNT}:oidc-provider/{host}",
            context={
                f"{host}:sub": str(claims.get("sub")),
                f"{host}:aud": _audience(claims),
            },
        )
        trust = _trust_policy(role)
        if trust is None or not is_allowed([trust], attempt):
            return Refusal("AccessDenied", f"Not authorized to perform sts:{ASSUME}", 403)
        return None

    def _claims(self, token: str) -> dict[str, Any] | Refusal:
        if not self._provider_exists():
            return Refusal(
                "InvalidIdentityToken",
                f"No OpenIDConnect provider found in your account for {self.issuer}",
            )
        try:
            key = RSAKey.import_key(self.signing_key.read_bytes())
            claims = jwt.decode(token, key, algorithms=["RS256"]).claims
        except FileNotFoundError:
            return Refusal("InvalidIdentityToken", "The cluster has no signing key yet")
        except (JoseError, ValueError) as error:
            return Refusal("InvalidIdentityToken", f"The token can't be verified: {error}")
        if claims.get("iss") != self.issuer:
            return Refusal("InvalidIdentityToken", "Issuer of the token is another one")
        if float(claims.get("exp", 0)) < time.time():
            return Refusal("ExpiredTokenException", "Token is expired")
        return dict(claims)

    def _provider_exists(self) -> bool:
        providers = iam_backends[ACCOUNT][_PARTITION].open_id_providers
        host = self.issuer.removeprefix("https://")
        return any(arn.endswith(f"oidc-provider/{host}") for arn in providers)


def _audience(claims: dict[str, Any]) -> str:
    audience = claims.get("aud", "")
    return str(audience[0] if isinstance(audience, list) and audience else audience)


def _trust_policy(role_arn: str) -> str | None:
    for role in iam_backends[ACCOUNT][_PARTITION].roles.values():
        if role.arn == role_arn:
            return str(role.assume_role_policy_document)
    return None


def _forget_expired_sessions() -> None:
    """A session an hour for every preview would fill the state."""
    sessions = sts_backends[ACCOUNT][_PARTITION].assumed_roles
    keys = iam_backends[ACCOUNT][_PARTITION].access_keys
    now = time.time()
    for session in [one for one in sessions if one.expiration.timestamp() <= now]:
        sessions.remove(session)
        keys.pop(session.access_key_id, None)
