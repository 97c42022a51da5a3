"""The account's quotas, which moto does not tell: of them only that of instances binds here."""

from __future__ import annotations

from moto.core.responses import ActionResult
from moto.rds.responses import RDSResponse

from sandbox.aws.rds.backend import INSTANCE_QUOTA


def describe_account_attributes(response: RDSResponse) -> ActionResult:
    """``DescribeAccountAttributes``: how many instances there are, and may be."""
    used = len(response.backend.databases)
    quota = {"AccountQuotaName": "DBInstances", "Used": used, "Max": INSTANCE_QUOTA}
    return ActionResult({"AccountQuotas": [quota]})


def offer() -> None:
    """Let moto answer it."""
    RDSResponse.describe_account_attributes = describe_account_attributes
