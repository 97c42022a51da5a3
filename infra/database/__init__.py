"""The database of a stack, restored or branched."""
