"""PostgreSQL servers as RDS runs them: own address, TLS only, a master user who is no superuser."""
