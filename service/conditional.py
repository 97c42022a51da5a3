"""Conditional requests (RFC 9110, section 13): of two editors, the later is told.

A change must say which version it was made on, in ``If-Match``. Without it the answer is
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
    """A change came without ``If-Match``."""

    status = HTTPStatus.PRECONDITION_REQUIRED
    kind = "precondition-required"
    title = "Say which version you are changing"

    def __init__(self) -> None:
        super().__init__("Send the ETag of what you read as If-Match, or * to change any version.")


class PreconditionFailedError(Problem):
    """The stored version is not the one that the change was made on."""

    status = HTTPStatus.PRECONDITION_FAILED
    kind = "precondition-failed"
    title = "Somebody else has changed it"

    def __init__(self) -> None:
        super().__init__("Read it again, and apply your change to what you find.")


def etag(version: int) -> str:
    """The entity tag of ``version``."""
    return f'"v{version}"'


def expected_versions(if_match: str | None) -> frozenset[int] | None:
    """The versions that a change may be applied to.

    Args:
        if_match: The header's value, which matches ``CONDITION_PATTERN``.

    Returns:
        None for any version (``*``). Weak and foreign tags match nothing, as If-Match
        compares strongly (RFC 9110, section 13.1.1).

    Raises:
        PreconditionRequiredError: There is no header.
    """
    if if_match is None:
        raise PreconditionRequiredError
    if if_match == "*":
        return None
    return frozenset(int(tag) for weak, tag in _VERSION_TAG.findall(if_match) if not weak)


def is_fresh(if_none_match: str | None, version: int) -> bool:
    """Whether a client that holds ``if_none_match`` needs no new copy of ``version``.

    A header that can't be read is ignored: the answer is then sent in full.
    """
    if if_none_match is None or if_none_match.strip() == "*":
        return if_none_match is not None
    return str(version) in {tag for _, tag in _VERSION_TAG.findall(if_none_match)}
