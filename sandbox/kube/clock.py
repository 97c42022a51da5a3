"""Times as the Kubernetes API writes them."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The present, aware of its time zone."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """``metav1.Time``: whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_micro(moment: datetime) -> str:
    """``metav1.MicroTime``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse(text: str) -> datetime:
    """Read either form, with up to nanoseconds (cut to microseconds)."""
    head, dot, tail = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{head}{dot}{tail[:6]}").replace(tzinfo=UTC)
