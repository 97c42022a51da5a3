"""Comparison of the service with a bare route and with the tutorials' code."""
