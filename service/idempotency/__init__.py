"""Requests that are sent twice and run once (draft-ietf-httpapi-idempotency-key-header)."""
