"""The roles of CI, in AWS and in the cluster."""
