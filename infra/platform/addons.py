"""What a new cluster has to run before a stack can stand on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

from infra.platform.external_secrets_operator import ExternalSecretsOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.config.models import PlatformConfig
    from infra.platform.cluster_foundation import Ground
    from infra.platform.shared_ingress import Entrance


def controllers(
    config: PlatformConfig, ground: Ground, entrance: Entrance
) -> Sequence[pulumi.Resource]:
    """Declare them, in a cluster that the program makes; an existing one has its own.

    Returns:
        What must be there before anything of a stack is in the cluster.
    """
    if not config.cluster.create:
        return []
    # Their SDK takes a while to import, and an existing cluster needs none of it.
    from infra.platform.external_dns import ExternalDns  # noqa: PLC0415
    from infra.platform.metrics_server import MetricsServer  # noqa: PLC0415

    MetricsServer("metrics-server", cluster=ground.cluster.name)
    if config.dns.zone_id is not None and config.dns.records == "each":
        ExternalDns(
            "external-dns",
            cluster=ground.cluster.name,
            cluster_arn=cluster_arn(ground),
            domain=config.domain,
            zone_id=config.dns.zone_id,
            ingress_class=entrance.ingress_class,
        )
    operator = ExternalSecretsOperator(
        "external-secrets",
        image=config.cluster.external_secrets_image,
        after=ground.ready,
        opts=pulumi.ResourceOptions(providers=[ground.provider]),
    )
    return operator.ready


def cluster_arn(ground: Ground) -> pulumi.Output[str]:
    """The cluster's ARN, from that of its identity provider, which is in the same account."""
    cluster = ground.cluster
    return pulumi.Output.all(cluster.oidc_provider_arn, cluster.region, cluster.name).apply(
        lambda known: _cluster_arn(known[0], known[1], known[2])
    )


def _cluster_arn(provider_arn: str, region: str, name: str) -> str:
    # arn:<partition>:iam::<account>:oidc-provider/<issuer>
    _, partition, _, _, account, _ = provider_arn.split(":", 5)
    return f"arn:{partition}:eks:{region}:{account}:cluster/{name}"
