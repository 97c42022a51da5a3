"""The Kubernetes control plane and the External Secrets Operator, as real processes."""
