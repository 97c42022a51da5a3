"""Measures the scrub."""
