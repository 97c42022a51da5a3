"""A DNS record for each stack, written by ExternalDNS, as an EKS add-on.

The other choice is one record for all, which a new preview need not wait for.
"""

from __future__ import annotations

import json

import pulumi
from pulumi_aws import eks, iam

from infra.platform.controller_nodes import ADDON_PLACEMENT
from infra.versions import pinned

NAME = "external-dns"
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
            name: Pulumi's name of the component.
            cluster: The cluster's name.
            cluster_arn: The only cluster for which the role may be taken.
            domain: The domain under which it may change names.
            zone_id: The hosted zone in which it may.
            ingress_class: The class of Ingresses that it looks at.
            opts: Pulumi's options.
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
            NAME,
            addon_name=NAME,
            addon_version=pinned().addons[NAME],
            cluster_name=cluster,
            configuration_values=pulumi.Output.from_input(cluster).apply(
                lambda owner: json.dumps(
                    settings(owner, domain, zone_id, ingress_class), sort_keys=True
                )
            ),
            pod_identity_associations=[
                eks.AddonPodIdentityAssociationArgs(role_arn=role.arn, service_account=NAME)
            ],
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="OVERWRITE",
            opts=pulumi.ResourceOptions(parent=self, depends_on=[permission]),
        )
        self.register_outputs({})


def settings(owner: str, domain: str, zone_id: str, ingress_class: str) -> dict[str, object]:
    """What it is told; whatever goes with a preview goes from the zone too."""
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
    """Who may take the role: its own pod in this cluster, by EKS Pod Identity."""
    statement = {
        "Effect": "Allow",
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Principal": {"Service": _AGENT},
        "Condition": {
            "StringEquals": {
                "aws:RequestTag/eks-cluster-arn": cluster_arn,
                "aws:RequestTag/kubernetes-namespace": NAME,
                "aws:RequestTag/kubernetes-service-account": NAME,
            },
        },
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, sort_keys=True)


def records_policy(domain: str, zone_id: str) -> str:
    """What the role may do: change names below the domain, in its zone."""
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
        # AWS knows no resource for this one: names of zones are all that it tells.
        {"Effect": "Allow", "Action": "route53:ListHostedZones", "Resource": "*"},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, sort_keys=True)
