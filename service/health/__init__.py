"""Whether the process lives, is ready, and what it is."""
