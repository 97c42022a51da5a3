"""Benchmark of the scrub."""
