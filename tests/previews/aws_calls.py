"""A watch over the calls of AWS that `previews` makes in tests: each must be recorded.

The record is tests/infra/ci/permissions/calls.toml, which CI's roles are held to.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from sandbox.aws.client import COMMANDS, PROVIDER

_RECORD = Path(__file__).resolve().parents[1] / "infra/ci/permissions/calls.toml"
_SERVICES = {"elbv2": "elasticloadbalancing"}
# Operations whose actions IAM names otherwise.
_ACTIONS = {
    # The emulated provider looks at an image by the API, the real one by the registry's protocol.
    "ecr:DescribeImages": {"ecr:BatchGetImage"},
    # The real provider tags by S3 Control's operations, which moto's account has not got.
    "s3:DeleteBucketTagging": {"s3:UntagResource"},
    "s3:PutBucketTagging": {"s3:TagResource"},
    "s3:DeleteBucketOwnershipControls": {"s3:PutBucketOwnershipControls"},
    "s3:DeleteObjects": {"s3:DeleteObject", "s3:DeleteObjectVersion"},
    "s3:DeletePublicAccessBlock": {"s3:PutBucketPublicAccessBlock"},
    "s3:GetPublicAccessBlock": {"s3:GetBucketPublicAccessBlock"},
    "s3:PutPublicAccessBlock": {"s3:PutBucketPublicAccessBlock"},
    "s3:HeadBucket": {"s3:ListBucket"},
    "s3:ListBuckets": {"s3:ListAllMyBuckets"},
    "s3:ListObjectVersions": {"s3:ListBucketVersions"},
    "s3:ListObjectsV2": {"s3:ListBucket"},
}
PERSONS = ("previews.doctor",)
"""Modules that a person runs, with rights of the person's own."""


def actions(service: str, operation: str) -> set[str]:
    """IAM's actions of an operation.

    Args:
        service: boto3's name of the service.
        operation: The API's name of the operation.
    """
    action = f"{_SERVICES.get(service, service)}:{operation}"
    return _ACTIONS.get(action, {action})


def require_recorded(model: Any, **_: object) -> None:
    """Fail at a call of `previews` that is not recorded; botocore calls this before each.

    Args:
        model: The operation.
    """
    module = next(_callers(), "")
    if module.startswith("previews.") and not module.startswith(PERSONS):
        called = actions(model.service_model.service_name, model.name)
        assert called <= _recorded(), (
            f"{module} calls {', '.join(sorted(called - _recorded()))}, which CI's role may lack:"
            f" add it to {_RECORD.name}"
        )


def _callers() -> Iterator[str]:
    """The modules that called, from the innermost on, without boto3's own."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        frame = frame.f_back
        name = str(frame.f_globals.get("__name__", ""))
        if name.startswith(("previews.", "tests.")) and name != __name__:
            yield name


@cache
def _recorded() -> frozenset[str]:
    calls = tomllib.loads(_RECORD.read_text())
    return _lists(calls["previews"]) | _lists(calls["state"])


def unrecorded(lines: Iterable[str]) -> list[str]:
    """Return the lines of an emulated account's record that name a call which is not recorded.

    Args:
        lines: Such as ``provider rds:DeleteDBInstance``: the caller, the service, the operation.
    """
    calls = tomllib.loads(_RECORD.read_text())
    of_types = [_lists(phases) for phases in calls["types"].values()]
    known = {
        COMMANDS: _recorded(),
        PROVIDER: frozenset().union(*of_types, _lists(calls["person"]), _lists(calls["workflows"])),
    }
    return [line for line in lines if not _of_line(line) <= known[line.partition(" ")[0]]]


def _of_line(line: str) -> set[str]:
    service, _, operation = line.partition(" ")[2].partition(":")
    return actions(service, operation)


def _lists(part: Mapping[str, object]) -> frozenset[str]:
    return frozenset(call for calls in part.values() if isinstance(calls, list) for call in calls)
