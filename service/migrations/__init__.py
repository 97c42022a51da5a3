"""The schema's history. Each step must leave the version that is still running able to work."""
