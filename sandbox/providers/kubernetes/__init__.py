"""The stand-in for the Kubernetes plugin, over plain HTTPS to the API server."""
