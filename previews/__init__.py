"""Lifecycle of previews, for CI and for people: deploys, checks, shows and removes them."""
