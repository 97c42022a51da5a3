"""Jobs that run after RDS's responses: start of servers, copies, deletions.

Each job can be run again from its start. The statuses in the state show which jobs are
unfinished, so that ``resume`` finds them after a kill.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta

from moto.core.utils import utcnow
from moto.rds.models import RDSBackend, rds_backends

from sandbox.aws.identity import ACCOUNT, REGION
from sandbox.aws.rds.models import BROKEN, RUNNING, DBInstance, DBSnapshot
from sandbox.aws.rds.servers import DatabaseServers
from sandbox.aws.state import AccountState
from sandbox.errors import SandboxError

_log = logging.getLogger(__name__)
_RESTART_SECONDS = (0.0, 1.0, 5.0, 15.0)

Job = Callable[[], None]


class Lifecycle:
    """Runs jobs: those of one instance in order, those of different ones concurrently."""

    def __init__(self, servers: DatabaseServers, state: AccountState) -> None:
        """Run no job yet.

        Args:
            servers: Servers of the instances.
            state: State, locked while an instance is read, saved after each change.
        """
        self.servers = servers
        servers.died = self.server_died
        self._state = state
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="rds")
        self._last: dict[str, Future[None]] = {}
        self._submitting = threading.Lock()
        self._restarts: dict[str, int] = {}

    def _submit(self, identifier: str, job: Job) -> Future[None]:
        # Not all who submit hold the state's lock, and two must not follow the same job.
        with self._submitting:
            previous = self._last.get(identifier)

            def run() -> None:
                # No deadlock: its predecessor was submitted earlier, so it runs or has ended.
                if previous is not None:
                    wait([previous])
                job()

            future = self._pool.submit(run)
            self._last[identifier] = future
            return future

    # Records; to be called with the state locked.

    @property
    def _backend(self) -> RDSBackend:
        return rds_backends[ACCOUNT][REGION]

    def _automated_snapshots(self, identifier: str) -> list[DBSnapshot]:
        return [
            snapshot
            for snapshot in self._backend.database_snapshots.values()
            if snapshot.snapshot_type == "automated"
            and snapshot.db_instance_identifier == identifier
        ]

    def add_snapshot(
        self,
        instance: DBInstance,
        identifier: str,
        kind: str = "manual",
        tags: list[dict[str, str]] | None = None,
    ) -> DBSnapshot:
        """Register a snapshot in progress; an unfinished one of the same name is replaced."""
        snapshot = DBSnapshot(self._backend, instance, identifier, snapshot_type=kind, tags=tags)
        self._backend.database_snapshots[identifier] = snapshot
        return snapshot

    def add_automated_snapshot(self, instance: DBInstance) -> DBSnapshot:
        """Register an automated snapshot, with the minute in its name as on AWS.

        AWS takes one a day; of several in one minute, the later ones get the names of the next
        minutes.
        """
        at = utcnow()
        while True:
            name = f"rds:{instance.db_instance_identifier}-{at:%Y-%m-%d-%H-%M}"
            if name not in self._backend.database_snapshots:
                return self.add_snapshot(instance, name, "automated")
            at += timedelta(minutes=1)

    # Jobs.

    def create(self, instance: DBInstance) -> None:
        """Create a new instance's server, empty or from ``restored_from``."""

        def job() -> None:
            with self._failure_shown(instance):
                self._create_server(instance)
                self._take_password(instance)
                backs_up = instance.backup_retention_period > 0
                with self._state.change():
                    instance.restored_from = None
                    _become(instance, "backing-up" if backs_up else "available")
                if backs_up:
                    self._first_backup(instance)

        self._submit(instance.db_instance_identifier, job)

    def _create_server(self, instance: DBInstance) -> None:
        try:
            if instance.restored_from:
                self.servers.restore(instance.machine, instance.restored_from)
            else:
                self.servers.create(
                    instance.machine,
                    username=instance.master_username,
                    password=instance.wanted_password or "",
                    database=instance.db_name or "postgres",
                )
        except BaseException:
            self.servers.delete(instance.machine)
            raise

    def _first_backup(self, instance: DBInstance) -> None:
        with self._state.change():
            snapshot = self.add_automated_snapshot(instance)
        self._copy(instance, snapshot)
        with self._state.change():
            _become(instance, "available")

    def take_password(self, instance: DBInstance) -> None:
        """Set the pending password on the server."""

        def job() -> None:
            with self._failure_shown(instance):
                self._take_password(instance)
                with self._state.change():
                    _become(instance, "available")

        self._submit(instance.db_instance_identifier, job)

    def _take_password(self, instance: DBInstance) -> None:
        if not instance.password_pending:
            return
        with self._state.lock:
            password = instance.wanted_password
        if password is not None:
            self.servers.set_password(instance.machine, instance.master_username, password)
        with self._state.change():
            instance.password_taken()

    def snapshot(self, instance: DBInstance, snapshot: DBSnapshot) -> Future[None]:
        """Copy the instance's data to a registered snapshot."""
        return self._submit(instance.db_instance_identifier, lambda: self._copy(instance, snapshot))

    def _copy(self, instance: DBInstance, snapshot: DBSnapshot) -> None:
        identifier = snapshot.db_snapshot_identifier
        try:
            self.servers.take_snapshot(instance.machine, identifier)
        except BaseException:
            with self._state.change():
                self._backend.database_snapshots.pop(identifier, None)
            raise
        with self._state.change():
            snapshot.finished()
            # Each counts as a day of the retention period.
            backups = self._automated_snapshots(instance.db_instance_identifier)
            backups = [backup for backup in backups if backup.status == "available"]
            backups.sort(key=lambda backup: backup.created)
            expired = backups[: -max(int(instance.backup_retention_period), 1)]
        for backup in expired:
            self.delete_snapshot(backup.db_snapshot_identifier)

    def delete_snapshot(self, identifier: str) -> None:
        """Delete a snapshot's data, then its record."""
        self.servers.delete_snapshot(identifier)
        with self._state.change():
            self._backend.database_snapshots.pop(identifier, None)

    def stop(self, instance: DBInstance) -> None:
        """Shut the server down."""

        def job() -> None:
            self.servers.stop(instance.machine)
            with self._state.change():
                _become(instance, "stopped")

        self._submit(instance.db_instance_identifier, job)

    def start(self, instance: DBInstance, *, stop_first: bool = False) -> None:
        """Start the server, after stopping it for a reboot."""

        def job() -> None:
            with self._failure_shown(instance):
                if stop_first:
                    self.servers.stop(instance.machine)
                self._bring_back(instance)

        self._submit(instance.db_instance_identifier, job)

    def _bring_back(self, instance: DBInstance) -> None:
        self.servers.start(instance.machine)
        self._take_password(instance)
        with self._state.change():
            _become(instance, "available")

    def delete(self, instance: DBInstance) -> None:
        """Take the final snapshot if requested, then delete everything of the instance."""
        identifier = instance.db_instance_identifier

        def job() -> None:
            if instance.final_snapshot is not None and not self._take_final_snapshot(instance):
                return
            self.servers.delete(instance.machine)
            with self._state.lock:
                backups = [] if instance.keeps_backups else self._automated_snapshots(identifier)
            for backup in backups:
                self.delete_snapshot(backup.db_snapshot_identifier)
            with self._state.change():
                self._backend.databases.pop(identifier, None)
                instance.unmanage_password()

        self._submit(identifier, job)

    def _take_final_snapshot(self, instance: DBInstance) -> bool:
        """Return True if it succeeded; otherwise the instance is not deleted."""
        with self._state.change():
            snapshot = self.add_snapshot(instance, str(instance.final_snapshot))
        try:
            self._copy(instance, snapshot)
        except (OSError, SandboxError) as error:
            _log.exception("final snapshot of %s failed", instance.db_instance_identifier)
            with self._state.change():
                instance.status = _status_of(error)
        with self._state.change():
            instance.final_snapshot = None
        return instance.status == "deleting"

    def server_died(self, identifier: str) -> None:
        """Restart a server that ended unexpectedly, with increasing delays if it keeps ending."""
        with self._state.lock:
            instance = self._backend.databases.get(identifier)
            if instance is None or instance.status not in RUNNING | BROKEN:
                return
            attempt = self._restarts.get(identifier, 0)
            self._restarts[identifier] = attempt + 1
        delay = _RESTART_SECONDS[min(attempt, len(_RESTART_SECONDS) - 1)]
        _log.warning("database server of %s ended; it is started again in %s s", identifier, delay)
        timer = threading.Timer(delay, self._submit, (identifier, lambda: self._restart(instance)))
        timer.daemon = True
        timer.start()

    def _restart(self, instance: DBInstance) -> None:
        with self._state.change():
            if instance.status not in RUNNING | BROKEN:
                return
            instance.status = "rebooting"
        try:
            with self._failure_shown(instance):
                self._bring_back(instance)
            self._restarts.pop(instance.db_instance_identifier, None)
        finally:
            if instance.status in BROKEN:
                self.server_died(instance.db_instance_identifier)

    def resume(self) -> None:
        """Continue all unfinished jobs after a start, by the status of each instance."""
        with self._state.lock:
            instances, snapshots = self._backend.databases, self._backend.database_snapshots
            # Copies that a kill interrupted; their data are deleted already.
            for name in [name for name, it in snapshots.items() if it.status != "available"]:
                del snapshots[name]
            self.servers.keep_only(
                {it.db_instance_identifier for it in instances.values()},
                {it.db_snapshot_identifier for it in snapshots.values()},
            )
            unfinished = list(instances.values())
        jobs = {
            "creating": self.create,
            "deleting": self.delete,
            "stopping": self.stop,
            "starting": self.start,
            "backing-up": self._back_up_again,
        }
        for instance in unfinished:
            if instance.status in jobs:
                jobs[instance.status](instance)
            elif instance.status in RUNNING | BROKEN:
                self.start(instance)

    def _back_up_again(self, instance: DBInstance) -> None:
        def job() -> None:
            with self._failure_shown(instance):
                self.servers.start(instance.machine)
                self._first_backup(instance)

        self._submit(instance.db_instance_identifier, job)

    def settle(self) -> None:
        """Wait until all jobs are done."""
        wait(list(self._last.values()))

    @contextlib.contextmanager
    def _failure_shown(self, instance: DBInstance) -> Iterator[None]:
        """Convert a failure into AWS's status for it, and a line in the log."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever failed, the instance shows it
            _log.error(
                "database server of %s failed: %s",
                instance.db_instance_identifier,
                error,
                exc_info=None if isinstance(error, SandboxError | OSError) else error,
            )
            with self._state.change():
                _become(instance, _status_of(error))


def _become(instance: DBInstance, status: str) -> None:
    """Set a status, unless a deletion was requested meanwhile, which runs next."""
    if instance.status != "deleting":
        instance.status = status


def _status_of(error: Exception) -> str:
    """Return RDS's status for a failure."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "storage-full"
    if isinstance(error, SandboxError) and error.what.startswith("database address"):
        return "incompatible-network"
    return "failed"
