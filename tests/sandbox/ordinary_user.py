"""Command by which a test that runs as root proves that root is not needed."""

from __future__ import annotations

# In a user namespace of its own the caller is uid 65534 without any capability: it owns what the
# caller owns, as who cloned the repository does, and may give nothing to anybody else. A plain
# change of user would not do: root's Python and checkout may be closed to everybody else.
AS_ORDINARY_USER = ("unshare", "--user", "--map-user=65534", "--map-group=65534", "--")
