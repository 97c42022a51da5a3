"""Customers: who they are, how to reach them, and what they pay for."""
