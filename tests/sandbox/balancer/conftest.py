"""The control plane with its node and balancer, for the tests that need the real ones."""

from tests.sandbox.node.conftest import namespace, world

__all__ = ["namespace", "world"]
