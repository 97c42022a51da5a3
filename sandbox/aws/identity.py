"""Account, region, credentials and port of the sandbox's AWS APIs."""

from __future__ import annotations

from pathlib import Path

from sandbox.settings import Settings

ACCOUNT = "123456789012"
REGION = "us-east-1"

# Credentials of the account's administrator, which are not checked. Policies are enforced for
# assumed roles only.
ACCESS_KEY_ID = "sandbox"
SECRET_ACCESS_KEY = "sandbox"  # noqa: S105 - not a secret

PORT = 4566

# The sandbox's own calls, on paths that no AWS API uses.
READY_PATH = "/sandbox/ready"
SNAPSHOT_PATH = "/sandbox/automated-snapshots/"


def database_authority(settings: Settings) -> Path:
    """Return the path of the authority of the databases' certificates (``sslrootcert``)."""
    return settings.home / "aws" / "database-authority.crt"
