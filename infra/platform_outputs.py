"""What every stack of the platform has in common: the cluster, the registry, the front door.

`staging` knows these from its own configuration and resources, a preview from staging's
outputs; the components take them the same way from both.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import pulumi


@dataclass(frozen=True)
class PlatformFacts:
    """The platform, as seen by what stands on it.

    Attributes:
        region: The AWS region of everything.
        cluster_name: Name of the EKS cluster, and of the kubeconfig's context for it.
        cluster_security_group_id: The security group of the cluster's nodes and pods.
        vpc_id: The cluster's VPC.
        oidc_provider_arn: The IAM identity provider of the cluster's service accounts.
        oidc_issuer: That provider's issuer, without ``https://``.
        service_cidrs: Networks of Services, the cluster's name server among them.
        load_balancer_cidrs: Networks from which the load balancer reaches the pods.
        load_balancer_group: Name of the group of Ingresses that share one load balancer.
        load_balancer_scheme: ``internal`` or ``internet-facing``.
        ingress_class: The IngressClass that each stack's Ingress names.
        ingress_annotations: What an Ingress says because its class does not.
        user_pool_arn: Where people sign in; empty where they don't.
        user_pool_domain: Prefix of that user pool's domain.
        identity_providers: Providers of the user pool that people may come from.
        bypass_secret_arn: The secret that lets tests in without signing in; empty for none.
        listener_protocol: ``HTTP`` or ``HTTPS``.
        listener_port: Port of the load balancer.
        domain: The domain under which each stack has a name.
        repository_url: The ECR repository of all images, without a tag.
        database_instance: Identifier of staging's RDS instance.
        database_name: Name of the database inside an instance.
        database_subnet_group: The RDS subnet group.
        database_cidrs: Networks of the databases' addresses.
        database_ssl_mode: libpq's ``sslmode`` towards every database.
        permissions_boundary: ARN of the boundary that previews' roles must have, empty for none.
        data_boundary: The same for the roles of servers that previews share.
        trusted_image: The image that staging runs, from the main branch, by digest.
        branches_namespace: Where databases are handed out in mode ``branch``; empty for nowhere.
        branches_instance_class: Class of the RDS instance that previews share.
        branches_pool_size: Connections that one pod may hold of a shared instance.
    """

    region: pulumi.Input[str]
    cluster_name: pulumi.Input[str]
    cluster_security_group_id: pulumi.Input[str]
    vpc_id: pulumi.Input[str]
    oidc_provider_arn: pulumi.Input[str]
    oidc_issuer: pulumi.Input[str]
    service_cidrs: pulumi.Input[list[str]]
    load_balancer_cidrs: pulumi.Input[list[str]]
    load_balancer_group: pulumi.Input[str]
    load_balancer_scheme: pulumi.Input[str]
    ingress_class: pulumi.Input[str]
    ingress_annotations: pulumi.Input[dict[str, str]]
    user_pool_arn: pulumi.Input[str]
    user_pool_domain: pulumi.Input[str]
    identity_providers: pulumi.Input[list[str]]
    bypass_secret_arn: pulumi.Input[str]
    listener_protocol: pulumi.Input[str]
    listener_port: pulumi.Input[int]
    domain: pulumi.Input[str]
    repository_url: pulumi.Input[str]
    database_instance: pulumi.Input[str]
    database_name: pulumi.Input[str]
    database_subnet_group: pulumi.Input[str]
    database_cidrs: pulumi.Input[list[str]]
    database_ssl_mode: pulumi.Input[str]
    permissions_boundary: pulumi.Input[str]
    data_boundary: pulumi.Input[str]
    trusted_image: pulumi.Input[str]
    branches_namespace: pulumi.Input[str]
    branches_instance_class: pulumi.Input[str]
    branches_pool_size: pulumi.Input[int]

    def as_output(self) -> dict[str, pulumi.Input[object]]:
        """The one stack output through which previews learn all this."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
