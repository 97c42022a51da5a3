"""Record of the calls that the emulated account gets, for the tests of CI's permissions in AWS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from moto.core.responses import BaseResponse
from moto.s3.responses import S3Response

FILE = "calls"
"""Name of the record in the account's folder: each call once, as ``rds:DescribeDBInstances``."""


def install(file: Path) -> None:
    """Make moto note the service and the operation of each call that is not noted yet.

    Args:
        file: The record; one that exists is added to.
    """
    noted = set(file.read_text().split()) if file.exists() else set()
    file.parent.mkdir(parents=True, exist_ok=True)

    def note(service: str, operation: str) -> None:
        call = f"{service}:{operation}"
        if call not in noted:
            noted.add(call)
            with file.open("a") as record:
                record.write(f"{call}\n")

    answer = BaseResponse.call_action
    authorize = S3Response._authenticate_and_authorize_s3_action  # noqa: SLF001 - moto's hook, the only place where S3's operation is known

    def call_action(request: BaseResponse) -> Any:
        note(str(request.service_name), request._get_action())  # noqa: SLF001 - as above
        return answer(request)

    def authorize_bucket(request: S3Response, *arguments: Any, **named: Any) -> None:
        note("s3", str(request.data["Action"]))
        authorize(request, *arguments, **named)

    BaseResponse.call_action = call_action
    S3Response._authenticate_and_authorize_s3_action = authorize_bucket  # noqa: SLF001 - as above
