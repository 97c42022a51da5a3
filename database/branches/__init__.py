"""Databases in seconds: one clone of a scrubbed template per preview, on a shared server."""
