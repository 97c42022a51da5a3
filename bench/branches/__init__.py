"""Comparison of ways to create a preview's database."""
