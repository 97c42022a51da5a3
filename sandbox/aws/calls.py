"""Record of the calls that the emulated account gets, for the tests of CI's permissions in AWS.

Callers are told apart by their user agent, since all but the sessions of roles use one login. The
sandbox's own calls, and those of tests that look at the account, are not recorded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from moto.core.responses import BaseResponse
from moto.s3.responses import S3Response

from sandbox.aws.client import CALLER, COMMANDS, PROVIDER
from sandbox.aws.identity import ACCESS_KEY_ID

FILE = "calls"
"""Name of the record in the account's folder, with a line such as ``provider rds:CreateDBInstance``
for each call."""


def install(file: Path) -> None:
    """Make moto note the caller, the service and the operation of each call, once.

    Args:
        file: The record; one that exists is added to.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    noted = set(file.read_text().splitlines()) if file.exists() else set()

    def note(request: BaseResponse, service: str, operation: str) -> None:
        caller = _caller(request)
        line = f"{caller} {service}:{operation}"
        if caller and line not in noted:
            noted.add(line)
            with file.open("a") as record:
                record.write(f"{line}\n")

    answer = BaseResponse.call_action
    authorize = S3Response._authenticate_and_authorize_s3_action  # noqa: SLF001 - moto's hook, the only place where S3's operation is known

    def call_action(request: BaseResponse) -> Any:
        note(request, str(request.service_name), request._get_action())  # noqa: SLF001 - as above
        return answer(request)

    def authorize_bucket(request: S3Response, *arguments: Any, **named: Any) -> None:
        note(request, "s3", str(request.data["Action"]))
        authorize(request, *arguments, **named)

    BaseResponse.call_action = call_action
    S3Response._authenticate_and_authorize_s3_action = authorize_bucket  # noqa: SLF001 - as above


def _caller(request: BaseResponse) -> str:
    """Return who calls; empty for the session of a role, for nobody, and for the sandbox itself."""
    if f"Credential={ACCESS_KEY_ID}/" not in str(request.headers.get("Authorization", "")):
        return ""
    agent = str(request.headers.get("User-Agent", ""))
    if CALLER not in agent:
        return COMMANDS
    return PROVIDER if f"{CALLER}{PROVIDER}" in agent else ""
