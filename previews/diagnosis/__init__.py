"""Explanation of failures."""
