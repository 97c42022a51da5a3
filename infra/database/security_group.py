"""The security group around a database: the cluster may connect, nobody else.

The resource is declared here rather than taken from ``pulumi_aws.ec2``: importing that
package takes 0.9 s of the 5 s that an `up` without changes may take, for this one class
(docs/decisions/0008-imports-cost-time.md). A test compares the two.
"""

from __future__ import annotations

from importlib.metadata import version

import pulumi

POSTGRES_PORT = 5432


class SecurityGroup(pulumi.CustomResource):
    """An ``aws:ec2/securityGroup:SecurityGroup`` that lets PostgreSQL in from one other group.

    Its rules are part of the resource, so a rule that someone adds by hand is taken out
    again, and there is no rule for outgoing traffic, since a database opens no connection.
    """

    TOKEN = "aws:ec2/securityGroup:SecurityGroup"  # noqa: S105  a type token is no secret

    tags_all: pulumi.Output[dict[str, str]]

    def __init__(
        self,
        resource_name: str,
        *,
        name: str,
        description: str,
        vpc_id: pulumi.Input[str],
        source_security_group_id: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the group.

        Args:
            name: Name of the group in AWS.
            description: Purpose. AWS cannot change it: another one replaces the group.
            vpc_id: VPC of the group.
            source_security_group_id: The only group that may connect.
        """
        rule: dict[str, pulumi.Input[object]] = {
            "description": "PostgreSQL from the cluster",
            "protocol": "tcp",
            "fromPort": POSTGRES_PORT,
            "toPort": POSTGRES_PORT,
            "securityGroups": [source_security_group_id],
        }
        properties: dict[str, pulumi.Input[object]] = {
            "name": name,
            "description": description,
            "vpcId": vpc_id,
            "ingress": [rule],
        }
        # The SDK's version, as its own classes set it, so that one provider serves all.
        defaults = pulumi.ResourceOptions(version=version("pulumi-aws"))
        super().__init__(
            self.TOKEN, resource_name, properties, pulumi.ResourceOptions.merge(defaults, opts)
        )
