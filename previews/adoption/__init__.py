"""Adoption of an existing repository: what it holds, and the three files that a preview needs."""
