"""Networks that are public, and those that are not."""

from __future__ import annotations

NOT_PUBLIC = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
)
"""Networks that are nobody's on the internet (RFC 6890): private and carrier-grade ones, which VPCs
use, and the link-local one, in which EC2 serves credentials (169.254.169.254, 169.254.170.23)."""
