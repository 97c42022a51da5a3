"""Customers: names, contact data and plans."""
