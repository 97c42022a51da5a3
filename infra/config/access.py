"""Configuration of access: networks, sign-in and DNS names."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from infra.config.base import Model
from infra.config.cluster import Cidr

EVERYWHERE = "0.0.0.0/0"


class SignIn(StrEnum):
    """Sign-in at the load balancer, before a request gets to a preview."""

    NONE = "none"
    """No sign-in: anybody in one of the networks has access."""

    COGNITO = "cognito"
    """A user pool of Cognito, which may federate with any OIDC or SAML provider."""


class AccessConfig(Model):
    """Access to a stack (keys ``previews:access``)."""

    sign_in: SignIn = Field(
        description="sign-in at the load balancer: none or cognito",
        examples=["cognito"],
    )


class PlatformAccessConfig(AccessConfig):
    """Access to the platform, which staging sets up (keys ``previews:access``)."""

    cidrs: tuple[Cidr, ...] | None = Field(
        default=None,
        min_length=1,
        description="networks from which previews can be reached; without it the VPC's own",
        examples=[["203.0.113.0/24"]],
    )
    user_pool_arn: (
        Annotated[
            str, Field(pattern=r"^arn:aws[a-z-]*:cognito-idp:[a-z0-9-]+:[0-9]{12}:userpool/\S+$")
        ]
        | None
    ) = Field(
        default=None,
        description="with signIn: an existing user pool; without it one is created",
        examples=["arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_Abc123"],
    )
    user_pool_domain: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$",
        description="with signIn: prefix of the user pool's domain, unique in its region",
        examples=["acme-previews"],
        validate_default=True,
    )
    identity_providers: tuple[str, ...] = Field(
        default=("COGNITO",),
        min_length=1,
        description="with signIn: the user pool's identity providers that people may come from",
        examples=[["COGNITO"]],
    )
    bypass_secret_arn: str | None = Field(
        default=None,
        pattern=r"^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:previews-bypass-\S+$",
        description="with signIn: a secret named like previews-bypass-tests, whose value lets"
        " tests in, in the header x-preview-bypass",
        examples=[
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:previews-bypass-tests-AbCdEf"
        ],
    )

    @field_validator("user_pool_domain")
    @classmethod
    def _is_given_where_people_sign_in(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("sign_in") is SignIn.COGNITO:
            msg = "people sign in there: it must be set"
            raise ValueError(msg)
        return value

    @property
    def is_public(self) -> bool:
        """True if it can be reached from anywhere."""
        return EVERYWHERE in (self.cidrs or ())


class DnsConfig(Model):
    """Names and certificate (keys ``previews:dns``)."""

    zone_id: str | None = Field(
        default=None,
        pattern=r"^Z[0-9A-Z]+$",
        description="hosted zone of the domain in Route 53;"
        " without it certificate and records are up to you",
        examples=["Z0123456789ABCDEFGHIJ"],
    )
    records: Literal["wildcard", "each"] = Field(
        default="wildcard",
        description="with zoneId: one record for all stacks, for which a new preview need not wait;"
        " or one for each, by ExternalDNS",
        examples=["wildcard"],
    )
