"""The one AWS account and region of a sandbox, who everybody signs as, where it is served."""

from __future__ import annotations

from pathlib import Path

from sandbox.settings import Settings

ACCOUNT = "123456789012"
REGION = "us-east-1"

# The administrator of the account. Only roles that are assumed are held to
# their policies; these credentials are not checked, as nothing here is worth it.
ACCESS_KEY_ID = "sandbox"
SECRET_ACCESS_KEY = "sandbox"  # noqa: S105 - known to everybody

PORT = 4566

# The sandbox's own calls, on paths that no AWS API uses.
READY_PATH = "/sandbox/ready"
SNAPSHOT_PATH = "/sandbox/automated-snapshots/"


def database_authority(settings: Settings) -> Path:
    """The certificate that the databases' are signed by: clients' ``sslrootcert``."""
    return settings.home / "aws" / "database-authority.crt"
