"""Calls to the emulated AWS APIs, in threads, with errors that have a remedy."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from sandbox.aws.client import PROVIDER, client_at
from sandbox.errors import SandboxError


class AwsError(SandboxError):
    """An AWS API returned an error.

    Attributes:
        code: The API's code: ``DBInstanceNotFound``.
    """

    def __init__(self, operation: str, code: str, message: str) -> None:
        super().__init__(
            f"AWS {operation}",
            why=f"{code}: {message}",
            remedy="correct the resource's inputs, or what already exists, and run it again",
        )
        self.code = code


class Clients:
    """The AWS APIs of a region at an endpoint, for concurrent calls."""

    def __init__(self, endpoint: str, region: str) -> None:
        self.region = region
        self._endpoint = endpoint

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call one operation.

        Args:
            service: boto3's name of the API: ``rds``.
            operation: boto3's name of the operation: ``describe_db_instances``.
            parameters: Parameters of the operation.

        Raises:
            AwsError: The API returns an error.
            SandboxError: The API can't be reached.
        """
        return await asyncio.to_thread(self._call, service, operation, parameters)

    def _call(self, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        client = client_at(self._endpoint, self.region, service, PROVIDER)
        try:
            answer: dict[str, Any] = getattr(client, operation)(**parameters)
        except ClientError as error:
            details = error.response["Error"]
            raise AwsError(
                f"{service} {operation}", details.get("Code", ""), details.get("Message", "")
            ) from error
        except (BotoCoreError, ResponseParserError) as error:
            raise SandboxError(
                f"AWS {service} {operation} at {self._endpoint}",
                why=str(error),
                remedy="check `sandbox status` and `sandbox logs aws`; start it with `sandbox up`",
            ) from error
        return {key: _readable(value) for key, value in answer.items()}


def _readable(value: Any) -> Any:
    """Return a value with its times in the real provider's format."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, dict):
        return {key: _readable(item) for key, item in value.items()}
    return [_readable(item) for item in value] if isinstance(value, list) else value
