"""Pulumi stacks: operations, progress, state, locks and recovery."""
