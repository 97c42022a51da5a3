"""What the service tells of itself: lines, numbers, traces. Never whom it is about."""
