"""Preparation of a database for an application: roles, ownership, grants, proof."""
