"""Clients of the sandbox's AWS APIs."""

from __future__ import annotations

import functools
import threading
from typing import Any

import boto3
import httpx
from botocore.config import Config

from sandbox.aws.identity import ACCESS_KEY_ID, READY_PATH, REGION, SECRET_ACCESS_KEY, SNAPSHOT_PATH
from sandbox.errors import SandboxError
from sandbox.settings import Settings

_SNAPSHOT_SECONDS = 120.0

CALLER = "caller/"
"""Beginning of the word of a user agent that names the caller."""

PROVIDER = "provider"
"""Name of the emulated providers of Pulumi."""

COMMANDS = "previews"
"""Name of the command line, whose clients name no caller."""

_SANDBOX = "sandbox"


_making = threading.Lock()


def client(settings: Settings, service: str) -> Any:
    """Return a boto3 client with the administrator's credentials.

    Args:
        settings: The sandbox.
        service: boto3's name of the service: ``rds``, ``ecr``.
    """
    return client_at(settings.aws_endpoint, REGION, service)


def client_at(endpoint: str, region: str, service: str, caller: str = _SANDBOX) -> Any:
    """Return a client of an endpoint; it never uses the environment's credentials."""
    with _making:  # boto3's clients are thread-safe, but their creation is not.
        return _client(endpoint, region, service, caller)


@functools.cache
def _client(endpoint: str, region: str, service: str, caller: str) -> Any:
    # To load a service's model takes 50 ms and 5 MB.
    return boto3.session.Session().client(
        service,  # type: ignore[call-overload]
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET_ACCESS_KEY,
        config=Config(
            user_agent_extra=f"{CALLER}{caller}",
            connect_timeout=3,
            retries={"mode": "standard", "total_max_attempts": 3},
            max_pool_connections=32,
        ),
    )


def take_automated_snapshot(settings: Settings, instance: str) -> str:
    """Take an automated snapshot now, as AWS does once in the backup window, and wait for it.

    Args:
        settings: The sandbox.
        instance: Identifier of an available instance with automated backups.

    Returns:
        The snapshot's identifier, ``rds:<instance>-<yyyy>-<mm>-<dd>-<hh>-<mm>``.

    Raises:
        SandboxError: The instance does not exist, is not available or keeps no
            backups, or the copy fails.
    """
    try:
        answer = httpx.post(
            f"{settings.aws_endpoint}{SNAPSHOT_PATH}{instance}", timeout=_SNAPSHOT_SECONDS
        )
    except httpx.TransportError as error:
        raise SandboxError(
            f"snapshot of {instance}",
            why=f"{settings.aws_endpoint} does not respond: {error}",
            remedy="start the sandbox with `sandbox up`, then run the command again.",
        ) from error
    document = answer.json()
    if not answer.is_success:
        raise SandboxError(
            f"snapshot of {instance}", why=document["why"], remedy=document["remedy"]
        )
    return str(document["snapshot"])


def is_ready(settings: Settings) -> bool:
    """Return True if the APIs respond and the account's first resources exist."""
    try:
        return httpx.get(f"{settings.aws_endpoint}{READY_PATH}", timeout=0.8).is_success
    except httpx.TransportError:
        return False
