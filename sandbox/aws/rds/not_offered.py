"""What RDS has and the sandbox has not: moto would answer with things that are not there."""

from __future__ import annotations

from typing import Any, NoReturn

from sandbox.aws.rds import errors


class NotOffered:
    """Refuses by name, in front of moto's backend."""

    def create_db_instance_read_replica(self, *_: Any, **__: Any) -> NoReturn:
        """A server that follows another."""
        raise errors.not_offered("read replicas")

    def restore_db_instance_to_point_in_time(self, *_: Any, **__: Any) -> NoReturn:
        """A copy as of some second."""
        raise errors.not_offered("point-in-time recovery")

    def create_db_cluster(self, *_: Any, **__: Any) -> NoReturn:
        """Aurora, or a Multi-AZ cluster."""
        raise errors.not_offered("clusters")

    def restore_db_cluster_from_snapshot(self, *_: Any, **__: Any) -> NoReturn:
        """Likewise."""
        raise errors.not_offered("clusters")

    def create_db_proxy(self, *_: Any, **__: Any) -> NoReturn:
        """A pool of connections."""
        raise errors.not_offered("proxies")

    def create_blue_green_deployment(self, *_: Any, **__: Any) -> NoReturn:
        """A second instance to switch to."""
        raise errors.not_offered("blue/green deployments")
