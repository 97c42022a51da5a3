"""Parts of Kubernetes objects that several components share."""
