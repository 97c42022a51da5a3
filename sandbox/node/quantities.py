"""Kubernetes quantities ("250m", "512Mi") as numbers."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation

_FACTORS = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15,
    "E": Decimal(10) ** 18,
    "Ki": Decimal(2) ** 10,
    "Mi": Decimal(2) ** 20,
    "Gi": Decimal(2) ** 30,
    "Ti": Decimal(2) ** 40,
    "Pi": Decimal(2) ** 50,
    "Ei": Decimal(2) ** 60,
}


def parse(text: str) -> Decimal:
    """The value in the resource's own unit: cores, or bytes.

    Raises:
        ValueError: When ``text`` is no quantity; the API server lets none of those through.
    """
    text = str(text)
    suffix = text.lstrip("+-.0123456789")
    try:
        if suffix[:1] in {"e", "E"} and suffix[1:].lstrip("+-").isdigit():  # "1e3"
            return Decimal(text)
        return Decimal(text.removesuffix(suffix)) * _FACTORS[suffix]
    except (InvalidOperation, KeyError) as error:
        msg = f"expected a quantity such as 250m or 512Mi, got {text!r}"
        raise ValueError(msg) from error


def in_units_of(text: str, divisor: str) -> int:
    """How many divisors fit, rounded up: what a ``resourceFieldRef`` shows."""
    return math.ceil(parse(text) / parse(divisor))


def to_bytes(text: str) -> int:
    """A memory quantity in whole bytes, rounded up as the API does."""
    return math.ceil(parse(text))
