"""Where controllers run: on the nodes of EKS Auto Mode's built-in pool for them.

The pool of previews lets no packet pass that no NetworkPolicy allows, and its nodes come and go.
"""

from __future__ import annotations

from pulumi_kubernetes import core

NODE_SELECTOR = {"karpenter.sh/nodepool": "system"}
_TAINT = "CriticalAddonsOnly"

ADDON_PLACEMENT: dict[str, object] = {
    "nodeSelector": NODE_SELECTOR,
    "tolerations": [{"key": _TAINT, "operator": "Exists"}],
}
"""The place as an EKS add-on's configuration says it."""


def tolerations() -> list[core.v1.TolerationArgs]:
    """What a pod says to be let onto those nodes."""
    return [core.v1.TolerationArgs(key=_TAINT, operator="Exists")]
