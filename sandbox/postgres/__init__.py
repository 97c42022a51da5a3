"""PostgreSQL servers as on RDS: own address, TLS only, a master user who is no superuser."""
