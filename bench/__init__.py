"""Benchmarks of the documentation's figures: ``python -m bench`` writes docs/benchmarks.md."""
