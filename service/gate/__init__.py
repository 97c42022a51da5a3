"""Inspection of a migration's locks and changes, before its version is rolled out."""
