"""RDS whose instances are PostgreSQL servers and whose snapshots are copies of their data."""
