"""The sample application: customers of a small software business, on PostgreSQL."""
