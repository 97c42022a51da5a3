"""The service against a bare route and against what the tutorials write."""
