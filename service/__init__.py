"""The application that is previewed: customers of a small software business, on PostgreSQL."""
