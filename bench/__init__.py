"""Measures what the documentation claims: ``python -m bench`` writes ``docs/benchmarks.md``."""
