"""Settings from the environment, by names of its own."""

from pydantic_settings import BaseSettings
from sqlalchemy import URL

QUEUE = "orders"
"""Key of the list of orders that the worker has to confirm."""


class Settings(BaseSettings):
    """Settings; a missing one ends the process."""

    postgres_server: str
    postgres_port: int = 5432
    postgres_db: str
    postgres_user: str
    postgres_password: str
    postgres_ssl: str = "prefer"
    public_url: str = ""
    signing_key: str = ""
    redis_url: str
    smtp_host: str
    smtp_port: int

    def url(self) -> URL:
        """Return the database's URL."""
        return URL.create(
            "postgresql+asyncpg",
            username=self.postgres_user,
            password=self.postgres_password,
            host=self.postgres_server,
            port=self.postgres_port,
            database=self.postgres_db,
            query={"ssl": self.postgres_ssl},
        )
