"""Controllers that a new cluster must run before a stack can be deployed to it.

HorizontalPodAutoscalers use the Metrics Server's figures. ExternalDNS writes a DNS record for each
stack; the alternative is one record for all, which a new preview need not wait for.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pulumi
from pulumi_aws import eks, iam

from infra.foundation.controller_nodes import ADDON_PLACEMENT
from infra.foundation.external_secrets_operator import ExternalSecretsOperator
from infra.versions import pinned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.config.models import PlatformConfig
    from infra.foundation.cluster_foundation import ClusterFoundation
    from infra.foundation.shared_ingress import SharedIngress


def addons(
    config: PlatformConfig, foundation: ClusterFoundation, ingress: SharedIngress
) -> Sequence[pulumi.Resource]:
    """Declare the controllers, in a cluster that the program creates; others have their own.

    Returns:
        Resources that everything of a stack on the cluster depends on.
    """
    if not config.cluster.create:
        return []
    MetricsServer("metrics-server", cluster=foundation.cluster.name)
    if config.dns.zone_id is not None and config.dns.records == "each":
        ExternalDns(
            "external-dns",
            cluster=foundation.cluster.name,
            cluster_arn=cluster_arn(foundation),
            domain=config.domain,
            zone_id=config.dns.zone_id,
            ingress_class=ingress.class_name,
        )
    operator = ExternalSecretsOperator(
        "external-secrets",
        image=config.cluster.external_secrets_image,
        depends_on=foundation.ready,
        opts=pulumi.ResourceOptions(providers=[foundation.provider]),
    )
    return operator.ready


def cluster_arn(foundation: ClusterFoundation) -> pulumi.Output[str]:
    """Return the cluster's ARN, from that of its identity provider, which has the same account."""
    cluster = foundation.cluster
    return pulumi.Output.all(cluster.oidc_provider_arn, cluster.region, cluster.name).apply(
        lambda known: _cluster_arn(known[0], known[1], known[2])
    )


def _cluster_arn(provider_arn: str, region: str, name: str) -> str:
    # arn:<partition>:iam::<account>:oidc-provider/<issuer>
    _, partition, _, _, account, _ = provider_arn.split(":", 5)
    return f"arn:{partition}:eks:{region}:{account}:cluster/{name}"


METRICS_SERVER = "metrics-server"


class MetricsServer(pulumi.ComponentResource):
    """The add-on, in its pinned version."""

    def __init__(
        self,
        name: str,
        *,
        cluster: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the add-on.

        Args:
            cluster: Name of the cluster.
        """
        super().__init__("previews:platform:MetricsServer", name, None, opts)
        eks.Addon(
            METRICS_SERVER,
            addon_name=METRICS_SERVER,
            addon_version=pinned().addons[METRICS_SERVER],
            cluster_name=cluster,
            configuration_values=json.dumps(ADDON_PLACEMENT, sort_keys=True),
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="OVERWRITE",
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


EXTERNAL_DNS = "external-dns"
_AGENT = "pods.eks.amazonaws.com"


class ExternalDns(pulumi.ComponentResource):
    """The add-on with a pod identity that may change the previews' names and no others."""

    def __init__(
        self,
        name: str,
        *,
        cluster: pulumi.Input[str],
        cluster_arn: pulumi.Input[str],
        domain: str,
        zone_id: str,
        ingress_class: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the add-on and its role.

        Args:
            cluster: Name of the cluster.
            cluster_arn: The only cluster whose pods may assume the role.
            domain: Domain under which it may change names.
            zone_id: Hosted zone in which it may.
            ingress_class: Class of the Ingresses that it reads.
        """
        super().__init__("previews:platform:ExternalDns", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        role = iam.Role(
            "dns-role",
            name=pulumi.Output.concat(cluster, "-external-dns"),
            description=f"Writes records below {domain} for ExternalDNS",
            assume_role_policy=pulumi.Output.from_input(cluster_arn).apply(trust_policy),
            opts=child,
        )
        permission = iam.RolePolicy(
            "dns-permission",
            name="change-records",
            role=role.name,
            policy=records_policy(domain, zone_id),
            opts=child,
        )
        eks.Addon(
            EXTERNAL_DNS,
            addon_name=EXTERNAL_DNS,
            addon_version=pinned().addons[EXTERNAL_DNS],
            cluster_name=cluster,
            configuration_values=pulumi.Output.from_input(cluster).apply(
                lambda owner: json.dumps(
                    settings(owner, domain, zone_id, ingress_class), sort_keys=True
                )
            ),
            pod_identity_associations=[
                eks.AddonPodIdentityAssociationArgs(role_arn=role.arn, service_account=EXTERNAL_DNS)
            ],
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="OVERWRITE",
            opts=pulumi.ResourceOptions(parent=self, depends_on=[permission]),
        )
        self.register_outputs({})


def settings(owner: str, domain: str, zone_id: str, ingress_class: str) -> dict[str, object]:
    """Return the add-on's configuration; a deleted Ingress's record is deleted too."""
    return {
        **ADDON_PLACEMENT,
        "sources": ["ingress"],
        "domainFilters": [domain],
        "policy": "sync",
        "registry": "txt",
        "txtOwnerId": owner,
        "extraArgs": [f"--zone-id-filter={zone_id}", f"--ingress-class={ingress_class}"],
    }


def trust_policy(cluster_arn: str) -> str:
    """Return the trust policy for its own pod in this cluster, by EKS Pod Identity."""
    statement = {
        "Effect": "Allow",
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Principal": {"Service": _AGENT},
        "Condition": {
            "StringEquals": {
                "aws:RequestTag/eks-cluster-arn": cluster_arn,
                "aws:RequestTag/kubernetes-namespace": EXTERNAL_DNS,
                "aws:RequestTag/kubernetes-service-account": EXTERNAL_DNS,
            },
        },
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, sort_keys=True)


def records_policy(domain: str, zone_id: str) -> str:
    """Return the policy that allows changes of names below the domain, in its zone."""
    zone = f"arn:aws:route53:::hostedzone/{zone_id}"
    statements = [
        {
            "Effect": "Allow",
            "Action": "route53:ChangeResourceRecordSets",
            "Resource": zone,
            "Condition": {
                "ForAllValues:StringLike": {
                    "route53:ChangeResourceRecordSetsNormalizedRecordNames": [f"*.{domain}"]
                }
            },
        },
        {"Effect": "Allow", "Action": "route53:ListResourceRecordSets", "Resource": zone},
        # This action supports no resource; it returns only names of zones.
        {"Effect": "Allow", "Action": "route53:ListHostedZones", "Resource": "*"},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, sort_keys=True)
