"""Generated customers that look real, for the sandbox and for load tests."""
