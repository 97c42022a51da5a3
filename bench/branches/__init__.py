"""Measures how a database comes to a preview, by ways that do the same."""
