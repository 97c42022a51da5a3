"""Controllers of a new cluster that AWS has no add-on for: pinned definitions, and their update."""
