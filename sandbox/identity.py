"""What the emulated cluster and the emulated AWS account must agree on."""

from __future__ import annotations

CLUSTER_NAME = "sandbox"
"""Of the EKS cluster, of the kubeconfig's context, and of the one node."""

OIDC_ISSUER = "https://oidc.eks.us-east-1.amazonaws.com/id/5A4D80C5B0A04E5C9F1D2B7E6C3A9F10"
"""Who signs the service accounts' tokens.

The API server puts it in each token, EKS tells it in the cluster's description, and
IAM roles for service accounts (IRSA) trust it; formed like one of EKS.
"""
