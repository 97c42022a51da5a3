"""The ingress that all stacks share: certificate, IngressClass and user pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from infra.config.access import SignIn
from infra.config.platform import Controller
from infra.errors import ProgramError
from infra.foundation.budget import BUDGET_TAGS
from infra.foundation.dns import WildcardCertificate
from infra.foundation.ingress_class import IngressClass
from infra.kubernetes.ingress_annotations import inbound_annotations, shared_annotations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.config.access import PlatformAccessConfig
    from infra.config.models import PlatformConfig
    from infra.config.platform import LoadBalancerConfig
    from infra.foundation.cluster import Cluster
    from infra.foundation.cluster_foundation import ClusterFoundation


@dataclass(frozen=True)
class SharedIngress:
    """Settings that each stack's Ingress needs.

    Attributes:
        class_name: IngressClass that it names.
        annotations: Annotations of each Ingress about the load balancer.
        user_pool_arn: User pool that people sign in to; empty where nobody signs in.
        user_pool_domain: Prefix of that user pool's domain.
        ready: Resources that an Ingress depends on.
    """

    class_name: str
    annotations: dict[str, str]
    user_pool_arn: pulumi.Input[str]
    user_pool_domain: pulumi.Input[str]
    ready: Sequence[pulumi.Resource]


def shared_ingress(config: PlatformConfig, foundation: ClusterFoundation) -> SharedIngress:
    """Declare the configured certificate, IngressClass and user pool."""
    balancer = config.load_balancer
    cidrs = config.access.cidrs or foundation.cluster.vpc_cidrs
    pool_arn, pool_domain = _user_pool(config.access)
    certificate = _certificate(config)
    controller = _controller(balancer, foundation.cluster)
    _check_bypass(config.access, controller)
    if controller is None:
        return SharedIngress(
            class_name=balancer.ingress_class,
            annotations=shared_annotations(
                balancer.group, balancer.scheme, cidrs, balancer.idle_timeout_seconds
            ),
            user_pool_arn=pool_arn,
            user_pool_domain=pool_domain,
            # The controller finds the certificate by the host name.
            ready=[] if certificate is None else [certificate],
        )
    ingress_class = IngressClass(
        "ingress-class",
        controller=controller,
        group=balancer.group,
        scheme=balancer.scheme,
        cidrs=cidrs,
        idle_timeout_seconds=balancer.idle_timeout_seconds,
        tags=_tags(config, controller),
        certificate_arn=None if certificate is None else certificate.arn,
        opts=pulumi.ResourceOptions(providers=[foundation.provider]),
    )
    return SharedIngress(
        class_name=ingress_class.name,
        annotations=inbound_annotations(cidrs),
        user_pool_arn=pool_arn,
        user_pool_domain=pool_domain,
        ready=[ingress_class.ready],
    )


def _controller(balancer: LoadBalancerConfig, cluster: Cluster) -> Controller | None:
    """Return the controller for which a class is created; None where the Ingresses say it all.

    Auto Mode ignores the annotation with the group's name, so each preview would get a load
    balancer of its own: there the class is ours, in an existing cluster, too.
    """
    return balancer.controller or (Controller.AUTO_MODE if cluster.auto_mode else None)


def _check_bypass(access: PlatformAccessConfig, controller: Controller | None) -> None:
    """Check that the controller knows the conditions that the bypass of the sign-in needs.

    Raises:
        ProgramError: It is not known to. A condition that is ignored lets everybody in.
    """
    if access.bypass_secret_arn is None or controller is not Controller.AUTO_MODE:
        return
    raise ProgramError(
        "config previews:access.bypassSecretArn",
        why="the load balancer is EKS Auto Mode's, which is not known to support the annotation"
        " `conditions.*` (aws/containers-roadmap#2556); where it is ignored, everybody would get"
        " past the sign-in",
        remedy="remove the key, and set PREVIEWS_SMOKE=cluster for the smoke test; or use a cluster"
        " with the AWS Load Balancer Controller, and set previews:loadBalancer.controller to"
        " aws-load-balancer-controller",
    )


def _tags(config: PlatformConfig, controller: Controller) -> dict[str, str]:
    """Return the load balancer's tags.

    Auto Mode refuses any that the cluster's role may not write, and that of an existing cluster is
    not ours.
    """
    may_tag = config.cluster.create or controller is Controller.AWS
    return BUDGET_TAGS if may_tag else {}


def _certificate(config: PlatformConfig) -> WildcardCertificate | None:
    if config.dns.zone_id is None or config.listener.protocol != "HTTPS":
        return None
    return WildcardCertificate("certificate", domain=config.domain, zone_id=config.dns.zone_id)


def _user_pool(access: PlatformAccessConfig) -> tuple[pulumi.Input[str], pulumi.Input[str]]:
    """ARN and domain of the user pool; empty where nobody signs in."""
    if access.sign_in is not SignIn.COGNITO or access.user_pool_domain is None:
        return "", ""
    if access.user_pool_arn is not None:
        return access.user_pool_arn, access.user_pool_domain
    # Its SDK takes a while to import, and most have none.
    from infra.foundation.user_pool import UserPool  # noqa: PLC0415

    pool = UserPool("user-pool", domain=access.user_pool_domain)
    return pool.arn, pool.domain
