"""How a container is told of its database: the variables that ``service`` reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.database.database import PORT

if TYPE_CHECKING:
    import pulumi

    from infra.database.database import Database
    from infra.platform_outputs import PlatformFacts


def server(database: Database, platform: PlatformFacts) -> dict[str, pulumi.Input[str]]:
    """Where the database is, and how it is proven to be that one."""
    return {
        "DATABASE_HOST": database.host,
        "DATABASE_PORT": str(PORT),
        "DATABASE_NAME": database.name,
        "DATABASE_SSLMODE": platform.database_ssl_mode,
    }


def login(prefix: str, secret: str) -> dict[str, tuple[str, str]]:
    """A role's name and password, from a Secret."""
    return {f"{prefix}_USER": (secret, "username"), f"{prefix}_PASSWORD": (secret, "password")}
