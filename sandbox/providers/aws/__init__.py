"""The stand-in for the AWS plugin, over whatever answers at ``AWS_ENDPOINT_URL``."""
