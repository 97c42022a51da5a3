"""What the controller is told by its environment: ``BRANCHES_*``."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from database.branches.handing import Limits
from database.branches.spares import Pool


class ControllerSettings(BaseSettings):
    """How databases are handed out.

    Attributes:
        namespace: Where servers are published, with their master users' Secrets.
        app_connections: Connections of one preview's service.
        migrator_connections: Connections of one preview's migrations.
        spares: Clones made ahead of a large template.
        spares_above_mib: A template is large from this size on.
        resync_seconds: Time between two passes when nothing happens.
        host: Address at which the health checks are answered.
        port: Their port.
    """

    model_config = SettingsConfigDict(env_prefix="BRANCHES_", frozen=True)

    namespace: str = Field(min_length=1)
    app_connections: int = Field(default=12, ge=1)
    migrator_connections: int = Field(default=3, ge=1)
    spares: int = Field(default=2, ge=0, le=10)
    spares_above_mib: int = Field(default=2048, ge=0)
    resync_seconds: float = Field(default=30, gt=0)
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)

    @property
    def limits(self) -> Limits:
        """Connections of each preview."""
        return Limits(app=self.app_connections, migrator=self.migrator_connections)

    @property
    def pool(self) -> Pool:
        """Clones made ahead."""
        return Pool(self.spares, self.spares_above_mib << 20)
