"""``$(VAR)`` in commands, arguments and values.

Rules of Kubernetes (third_party/forked/golang/expansion): an unknown name stays as it is,
``$$`` is one dollar sign, and what was expanded is not expanded again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace every reference to a known variable."""

    def replacement(match: re.Match[str]) -> str:
        name = match.group(1)
        if name is None:
            return "$"
        return variables.get(name, match.group(0))

    return _REFERENCE.sub(replacement, text)
