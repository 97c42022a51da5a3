"""Preparation of databases before anybody may connect: scrub, proof, roles, clones."""
