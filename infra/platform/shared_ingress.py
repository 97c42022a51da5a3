"""The way in from outside, as far as all stacks share it: certificate, class, user pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from infra.app.app_ingress import ALB
from infra.config.access import SignIn
from infra.config.platform import Controller
from infra.platform.certificate import WildcardCertificate
from infra.platform.ingress_class import IngressClass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.config.access import PlatformAccessConfig
    from infra.config.models import PlatformConfig
    from infra.platform.cluster_foundation import Ground


@dataclass(frozen=True)
class Entrance:
    """What each stack's Ingress has to know.

    Attributes:
        ingress_class: The class that it names.
        annotations: What it says because its class does not.
        user_pool_arn: Where people sign in; empty where they don't.
        user_pool_domain: Prefix of that user pool's domain.
        ready: What comes before an Ingress.
    """

    ingress_class: str
    annotations: dict[str, str]
    user_pool_arn: pulumi.Input[str]
    user_pool_domain: pulumi.Input[str]
    ready: Sequence[pulumi.Resource]


def entrance(config: PlatformConfig, ground: Ground) -> Entrance:
    """The way in that the configuration asks for."""
    balancer = config.load_balancer
    cidrs = config.access.cidrs or ground.cluster.vpc_cidrs
    pool_arn, pool_domain = _people(config.access)
    certificate = _certificate(config)
    controller = balancer.controller or (Controller.AUTO_MODE if config.cluster.create else None)
    if controller is None:
        return Entrance(
            ingress_class=balancer.ingress_class,
            annotations={
                f"{ALB}/group.name": balancer.group,
                f"{ALB}/scheme": balancer.scheme,
                f"{ALB}/inbound-cidrs": ",".join(cidrs),
            },
            user_pool_arn=pool_arn,
            user_pool_domain=pool_domain,
            # The controller finds the certificate by the host's name.
            ready=[] if certificate is None else [certificate],
        )
    made = IngressClass(
        "ingress-class",
        controller=controller,
        group=balancer.group,
        scheme=balancer.scheme,
        cidrs=cidrs,
        certificate_arn=None if certificate is None else certificate.arn,
        opts=pulumi.ResourceOptions(providers=[ground.provider]),
    )
    return Entrance(
        ingress_class=made.name,
        annotations={},
        user_pool_arn=pool_arn,
        user_pool_domain=pool_domain,
        ready=[made.ready],
    )


def _certificate(config: PlatformConfig) -> WildcardCertificate | None:
    if config.dns.zone_id is None or config.listener.protocol != "HTTPS":
        return None
    return WildcardCertificate("certificate", domain=config.domain, zone_id=config.dns.zone_id)


def _people(access: PlatformAccessConfig) -> tuple[pulumi.Input[str], pulumi.Input[str]]:
    """The user pool and its domain; empty where nobody signs in."""
    if access.sign_in is not SignIn.COGNITO or access.user_pool_domain is None:
        return "", ""
    if access.user_pool_arn is not None:
        return access.user_pool_arn, access.user_pool_domain
    # Its SDK takes a while to import, and most have none.
    from infra.platform.user_pool import UserPool  # noqa: PLC0415

    pool = UserPool("user-pool", domain=access.user_pool_domain)
    return pool.arn, pool.domain
