"""Rate limits, and headers that protect browsers."""
