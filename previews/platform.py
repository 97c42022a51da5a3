"""The platform that previews stand on, as staging published it in the cluster.

It is not read from staging's state, which CI's role of previews may not read
(docs/decisions/0050-outputs-are-published-in-the-cluster.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from contract.platform_outputs import (
    CONFIG_MAP,
    CONFIG_MAP_KEY,
    PlatformOutputs,
    PlatformOutputsError,
    PublishedOutputs,
)
from previews.errors import PreviewsError

if TYPE_CHECKING:
    from previews.kubernetes import Cluster

STAGING = "staging"


def read_published(cluster: Cluster, namespace: str) -> str:
    """Return the text that a stack ``staging`` published in its namespace.

    Args:
        cluster: The cluster of the kubeconfig's current context.
        namespace: Namespace of that stack.

    Raises:
        PreviewsError: There is none, or the cluster does not answer.
    """
    found = cluster.find("configmaps", CONFIG_MAP, namespace=namespace)
    if found is None:
        raise _unusable(cluster, namespace, "there is none")
    return str((found.raw.get("data") or {}).get(CONFIG_MAP_KEY, ""))


def read_platform(cluster: Cluster, namespace: str) -> PlatformOutputs:
    """Return the platform; arguments as in `read_published`.

    Raises:
        PreviewsError: Staging is not up, or of another version of the program.
    """
    text = read_published(cluster, namespace)
    try:
        return PlatformOutputs.read(PublishedOutputs.model_validate_json(text).platform)
    except ValidationError as error:
        raise _unusable(cluster, namespace, f"it has another form: {error}") from error
    except PlatformOutputsError as error:
        lacking = ", ".join(error.lacking) or "all of it"
        raise _unusable(cluster, namespace, f"it lacks {lacking}") from error


def _unusable(cluster: Cluster, namespace: str, why: str) -> PreviewsError:
    return PreviewsError(
        "staging-outputs",
        f"ConfigMap {namespace}/{CONFIG_MAP} of {cluster}",
        why=why,
        remedy="choose the platform's cluster (`kubectl config use-context NAME`), or bring staging"
        " up from the main branch: `pulumi up -s staging`; without it nobody knows where to look.",
    )
