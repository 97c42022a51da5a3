"""Pinned definitions of the controllers for which AWS offers no add-on, and their update."""
