"""Names that the emulated cluster and the emulated AWS account share."""

from __future__ import annotations

CLUSTER_NAME = "sandbox"
"""Name of the EKS cluster, of the kubeconfig's context, and of the one node."""

OIDC_ISSUER = "https://oidc.eks.us-east-1.amazonaws.com/id/5A4D80C5B0A04E5C9F1D2B7E6C3A9F10"
"""Issuer of the service accounts' tokens, in the form that EKS uses.

The API server writes it into each token, EKS returns it in the cluster's description, and
IAM roles for service accounts (IRSA) trust it.
"""
