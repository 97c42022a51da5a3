"""The emulated plugin for AWS."""
