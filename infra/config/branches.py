"""What staging can configure of databases in mode ``branch``."""

from __future__ import annotations

from pydantic import Field

from infra.config.base import InstanceClass, Model

# Two replicas, as a preview has at most, and what comes on top while they are replaced.
_PODS = 4


class BranchesConfig(Model):
    """Servers that previews share (keys ``previews:branches``)."""

    enabled: bool = Field(
        default=False,
        description="whether the platform hands out databases in mode branch",
        examples=[True],
    )
    instance_class: InstanceClass = Field(
        default="db.t4g.medium",
        description="class of the RDS instance that previews share",
        examples=["db.t4g.medium"],
    )
    app_connections: int = Field(
        default=12,
        ge=4,
        le=200,
        description="most connections of one preview's service",
        examples=[12],
    )
    spares: int = Field(
        default=2,
        ge=0,
        le=10,
        description="clones made ahead, of a template above sparesAboveMib",
        examples=[2],
    )
    spares_above_mib: int = Field(
        default=2048,
        ge=0,
        description="size of the template in MiB from which on clones are made ahead",
        examples=[2048],
    )

    @property
    def pool_size(self) -> int:
        """Connections of one pod: while a rollout replaces two, there are four of them."""
        return self.app_connections // _PODS
