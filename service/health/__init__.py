"""Liveness, readiness and version of the process."""
