"""Scheduling of controllers onto EKS Auto Mode's built-in pool for them.

The pool of previews drops every packet that no NetworkPolicy allows, and its nodes come and go.
"""

from __future__ import annotations

from pulumi_kubernetes import core

NODE_SELECTOR = {"karpenter.sh/nodepool": "system"}
_TAINT = "CriticalAddonsOnly"

ADDON_PLACEMENT: dict[str, object] = {
    "nodeSelector": NODE_SELECTOR,
    "tolerations": [{"key": _TAINT, "operator": "Exists"}],
}
"""The same in the form of an EKS add-on's configuration."""


def tolerations() -> list[core.v1.TolerationArgs]:
    """Return the tolerations that those nodes require."""
    return [core.v1.TolerationArgs(key=_TAINT, operator="Exists")]
