"""Stacks: their operations, state, locks and recovery."""
