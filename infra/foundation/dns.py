"""One certificate and one record for the names of all stacks.

AWS renews the certificate, and a new preview needs no new DNS record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_aws import acm, lb, route53

from infra.errors import ProgramError

if TYPE_CHECKING:
    from infra.config.models import PlatformConfig

_TTL_SECONDS = 300


class WildcardCertificate(pulumi.ComponentResource):
    """A certificate for ``*.<domain>``, proven by a record in the domain's zone.

    Attributes:
        arn: ARN of the certificate, known once AWS has issued it.
    """

    arn: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        domain: str,
        zone_id: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the certificate.

        Args:
            domain: Domain under which each stack has a name.
            zone_id: Its hosted zone. Validation waits until the domain is delegated to it.
        """
        super().__init__("previews:platform:WildcardCertificate", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        certificate = acm.Certificate(
            "certificate",
            domain_name=f"*.{domain}",
            validation_method="DNS",
            # A load balancer keeps the former one until it has the new one.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=False),
        )
        proof = certificate.domain_validation_options.apply(lambda options: options[0])
        record = route53.Record(
            "proof",
            zone_id=zone_id,
            name=proof.apply(lambda option: option.resource_record_name),
            type=proof.apply(lambda option: option.resource_record_type),
            records=proof.apply(lambda option: [str(option.resource_record_value)]),
            ttl=_TTL_SECONDS,
            # An earlier certificate for the same name is proven by the very same record.
            allow_overwrite=True,
            opts=child,
        )
        issued = acm.CertificateValidation(
            "issued",
            certificate_arn=certificate.arn,
            validation_record_fqdns=[record.fqdn],
            opts=child,
        )
        self.arn = issued.certificate_arn
        self.register_outputs({"arn": self.arn})


class WildcardRecord(pulumi.ComponentResource):
    """Record ``*.<domain>`` with the address of the shared load balancer."""

    def __init__(
        self,
        name: str,
        *,
        domain: str,
        zone_id: str,
        load_balancer: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the record.

        Args:
            domain: Domain under which each stack has a name.
            zone_id: Its hosted zone.
            load_balancer: DNS name of the load balancer.
        """
        super().__init__("previews:platform:WildcardRecord", name, None, opts)
        route53.Record(
            "wildcard",
            zone_id=zone_id,
            name=f"*.{domain}",
            # An alias of Route 53 follows the load balancer's addresses, and is free.
            type="A",
            aliases=[
                route53.RecordAliasArgs(
                    name=load_balancer,
                    zone_id=lb.get_hosted_zone_id_output(opts=pulumi.InvokeOptions(parent=self)).id,
                    evaluate_target_health=False,
                )
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def wildcard_record(config: PlatformConfig, load_balancer: pulumi.Output[str]) -> None:
    """Declare the record, where the configuration has one for all stacks."""
    if config.dns.zone_id is not None and config.dns.records == "wildcard":
        WildcardRecord(
            "wildcard-record",
            domain=config.domain,
            zone_id=config.dns.zone_id,
            load_balancer=load_balancer.apply(checked_load_balancer),
        )


def checked_load_balancer(name: str) -> str:
    """Return the load balancer's DNS name.

    Raises:
        ProgramError: The controller has created none.
    """
    if name:
        return name
    raise ProgramError(
        "record of the load balancer in staging's Ingress",
        why="the Ingress's status has no load balancer",
        remedy="see why with `kubectl describe ingress --namespace staging`, then run it again",
    )
