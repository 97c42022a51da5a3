"""What is done to a database before anybody may connect to it."""
