"""One certificate for the names of all stacks, which AWS renews by itself."""

from __future__ import annotations

import pulumi
from pulumi_aws import acm, route53

_TTL_SECONDS = 300


class WildcardCertificate(pulumi.ComponentResource):
    """A certificate for ``*.<domain>``, proven by a record in the domain's zone.

    Attributes:
        arn: The certificate, known once AWS has issued it.
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
            name: Pulumi's name of the component.
            domain: The domain under which each stack has a name.
            zone_id: Its hosted zone. While nobody delegates to that, the proof waits.
            opts: Pulumi's options.
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
