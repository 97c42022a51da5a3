"""The Kubernetes provider of an existing cluster."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes


def existing_cluster(name: pulumi.Input[str]) -> kubernetes.Provider:
    """Declare the provider. The kubeconfig's context is named like the cluster itself."""
    return kubernetes.Provider("cluster", context=name)
