"""Summaries, lists and costs of previews."""
