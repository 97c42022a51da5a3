"""The catalogue: one file, one component."""
