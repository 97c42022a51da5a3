"""Databases in seconds: clones of a scrubbed template on a shared server, one a preview."""
