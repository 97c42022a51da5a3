"""Emulator of the AWS plugin."""
