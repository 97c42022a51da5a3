"""Conditional requests (RFC 9110, section 13), which prevent lost updates.

A change must name the version that it was made on, in ``If-Match``. Without it the answer is
428 (RFC 6585, section 3); with another version than the stored one it is 412.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from service.problems import Problem

_TAG = r'(W/)?"[\x21\x23-\x7E]*"'
# RFC 9110, section 13.1.1: * or a list of entity tags.
CONDITION_PATTERN = rf"^(\*|{_TAG}( *, *{_TAG})*)$"
_VERSION_TAG = re.compile(r'(W/)?"v([1-9][0-9]{0,8})"')


class PreconditionRequiredError(Problem):
    """A change without ``If-Match``."""

    status = HTTPStatus.PRECONDITION_REQUIRED
    kind = "precondition-required"
    title = "If-Match is required"

    def __init__(self) -> None:
        super().__init__("Send the ETag of what you read as If-Match, or * to change any version.")


class PreconditionFailedError(Problem):
    """A change of another version than the stored one."""

    status = HTTPStatus.PRECONDITION_FAILED
    kind = "precondition-failed"
    title = "The resource was changed by another request"

    def __init__(self) -> None:
        super().__init__("Read it again, and apply your change to the new version.")


def etag(version: int) -> str:
    """Return the entity tag of ``version``."""
    return f'"v{version}"'


def expected_versions(if_match: str | None) -> frozenset[int] | None:
    """Return the versions that a change may be applied to.

    Args:
        if_match: The header's value, which matches ``CONDITION_PATTERN``.

    Returns:
        None for any version (``*``). Weak and foreign tags match nothing, as If-Match
        compares strongly (RFC 9110, section 13.1.1).

    Raises:
        PreconditionRequiredError: The header is missing.
    """
    if if_match is None:
        raise PreconditionRequiredError
    if if_match == "*":
        return None
    return frozenset(int(tag) for weak, tag in _VERSION_TAG.findall(if_match) if not weak)


def is_fresh(if_none_match: str | None, version: int) -> bool:
    """Return whether a client with ``if_none_match`` needs no new copy of ``version``.

    An invalid header is ignored: the answer is then sent in full.
    """
    if if_none_match is None or if_none_match.strip() == "*":
        return if_none_match is not None
    return str(version) in {tag for _, tag in _VERSION_TAG.findall(if_none_match)}
