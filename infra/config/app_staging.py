"""The configuration of another app's staging, which runs on an existing platform."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from contract.stack_name import StackKind
from infra.config.access import AccessConfig
from infra.config.models import StackConfig
from infra.config.platform import BranchesConfig, StagingDatabaseConfig


class AppStagingConfig(StackConfig):
    """All keys of the stack ``staging`` of another app than the platform's own."""

    KIND: ClassVar[StackKind] = StackKind.STAGING

    platform: str = Field(
        pattern=r"^[a-z][a-z0-9-]*$",
        description="Pulumi project whose staging is the platform that the app runs on",
        examples=["previews"],
    )
    access: AccessConfig = Field(
        description="how people get access", examples=[{"signIn": "cognito"}]
    )
    branches: BranchesConfig = Field(
        default=BranchesConfig(),
        description="databases of previews in mode branch",
        examples=[{"enabled": True}],
    )
    database: StagingDatabaseConfig = Field(
        description="staging's database", examples=[{"instanceClass": "db.t4g.medium"}]
    )
    ttl_days: int = Field(
        default=7,
        ge=1,
        le=90,
        description="without effect for staging, which does not expire",
        examples=[7],
    )
