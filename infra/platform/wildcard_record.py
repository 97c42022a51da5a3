"""One record for the names of all stacks, so that a new preview waits for no DNS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_aws import lb, route53

from infra.errors import ProgramError

if TYPE_CHECKING:
    from infra.config.models import PlatformConfig


class WildcardRecord(pulumi.ComponentResource):
    """``*.<domain>`` leads to the shared load balancer, whatever its own name is."""

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
            name: Pulumi's name of the component.
            domain: The domain under which each stack has a name.
            zone_id: Its hosted zone.
            load_balancer: The load balancer's own name.
            opts: Pulumi's options.
        """
        super().__init__("previews:platform:WildcardRecord", name, None, opts)
        route53.Record(
            "wildcard",
            zone_id=zone_id,
            name=f"*.{domain}",
            # An alias of Route 53's follows the load balancer's addresses, and costs nothing.
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


def point_wildcard_at(load_balancer: pulumi.Output[str], config: PlatformConfig) -> None:
    """Declare the record, where the configuration asks for one."""
    if config.dns.zone_id is not None and config.dns.records == "wildcard":
        WildcardRecord(
            "wildcard-record",
            domain=config.domain,
            zone_id=config.dns.zone_id,
            load_balancer=load_balancer.apply(checked_load_balancer),
        )


def checked_load_balancer(name: str) -> str:
    """The name of the load balancer, if the controller has made one.

    Raises:
        ProgramError: It has not.
    """
    if name:
        return name
    raise ProgramError(
        "record of the load balancer in staging's Ingress",
        why="the Ingress says no name of a load balancer",
        remedy="see why with `kubectl describe ingress --namespace staging`, then run it again",
    )
