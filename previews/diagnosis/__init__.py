"""Explains failures."""
