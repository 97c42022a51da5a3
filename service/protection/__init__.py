"""Keeps clients from harming each other, and browsers from being used against them."""
