"""What happens after RDS has answered: servers come up, copies are made, things go away.

Every job can be run again from its start. The statuses in the state say which
jobs are unfinished, so ``resume`` after a kill finds them all.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from sandbox.aws.rds.failure import FailureShown, become, status_of
from sandbox.aws.rds.hosting import Hosting
from sandbox.aws.rds.models import BROKEN, RUNNING, DBInstance, DBSnapshot
from sandbox.aws.rds.store import Store
from sandbox.aws.state import State
from sandbox.errors import SandboxError

_log = logging.getLogger(__name__)
_RESTART_SECONDS = (0.0, 1.0, 5.0, 15.0)

Job = Callable[[], None]


class Lifecycle:
    """Runs the jobs of all instances: those of one instance in their order, others side by side."""

    def __init__(self, hosting: Hosting, state: State, store: Store) -> None:
        """Nothing runs until something is asked for.

        Args:
            hosting: The servers.
            state: Locked for every look at an instance, saved after every change.
            store: Where instances and snapshots are found.
        """
        self.hosting = hosting
        self._state = state
        self._store = store
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="rds")
        self._last: dict[str, Future[None]] = {}
        self._restarts: dict[str, int] = {}

    def _submit(self, identifier: str, job: Job) -> Future[None]:
        previous = self._last.get(identifier)

        def run() -> None:
            # Its predecessor was submitted earlier, so it runs or has run: no deadlock.
            if previous is not None:
                wait([previous])
            job()

        future = self._pool.submit(run)
        self._last[identifier] = future
        return future

    def create(self, instance: DBInstance) -> None:
        """Bring a new instance up, empty or from ``restored_from``."""
        self._submit(instance.db_instance_identifier, lambda: self._create(instance))

    def _create(self, instance: DBInstance) -> None:
        with self._failure_shown(instance):
            self._bring_up(instance)
            self._take_password(instance)
            backs_up = instance.backup_retention_period > 0
            with self._state.change():
                instance.restored_from = None
                become(instance, "backing-up" if backs_up else "available")
            if backs_up:
                self._first_backup(instance)

    def _bring_up(self, instance: DBInstance) -> None:
        try:
            if instance.restored_from:
                self.hosting.restore(instance.machine, instance.restored_from)
            else:
                self.hosting.create(
                    instance.machine,
                    username=instance.master_username,
                    password=instance.wanted_password or "",
                    database=instance.db_name or "postgres",
                )
        except BaseException:
            self.hosting.delete(instance.machine)
            raise

    def _first_backup(self, instance: DBInstance) -> None:
        with self._state.change():
            snapshot = self._store.add_automated_snapshot(instance)
        self._copy(instance, snapshot)
        with self._state.change():
            become(instance, "available")

    def take_password(self, instance: DBInstance) -> None:
        """Have the server take the password that is wanted."""
        self._submit(instance.db_instance_identifier, lambda: self._reset_password(instance))

    def _reset_password(self, instance: DBInstance) -> None:
        with self._failure_shown(instance):
            self._take_password(instance)
            with self._state.change():
                become(instance, "available")

    def _take_password(self, instance: DBInstance) -> None:
        if not instance.password_pending:
            return
        with self._state.lock:
            password = instance.wanted_password
        if password is not None:
            self.hosting.set_password(instance.machine, instance.master_username, password)
        with self._state.change():
            instance.password_taken()

    def snapshot(self, instance: DBInstance, snapshot: DBSnapshot) -> Future[None]:
        """Copy the instance's data to a registered snapshot."""
        return self._submit(instance.db_instance_identifier, lambda: self._copy(instance, snapshot))

    def _copy(self, instance: DBInstance, snapshot: DBSnapshot) -> None:
        identifier = snapshot.db_snapshot_identifier
        try:
            self.hosting.take_snapshot(instance.machine, identifier)
        except BaseException:
            with self._state.change():
                self._store.forget_snapshot(identifier)
            raise
        with self._state.change():
            snapshot.finished()
            expired = self._store.expired_snapshots(instance)
        for name in expired:
            self.delete_snapshot(name)

    def copy_snapshot(self, source: DBSnapshot, target: DBSnapshot) -> None:
        """Copy one snapshot to another."""

        def job() -> None:
            self.hosting.copy_snapshot(source.db_snapshot_identifier, target.db_snapshot_identifier)
            with self._state.change():
                target.finished()

        self._submit(target.db_snapshot_identifier, job)

    def delete_snapshot(self, identifier: str) -> None:
        """Remove a snapshot's data, then its record."""
        self.hosting.delete_snapshot(identifier)
        with self._state.change():
            self._store.forget_snapshot(identifier)

    def stop(self, instance: DBInstance) -> None:
        """Shut the server down."""

        def job() -> None:
            self.hosting.stop(instance.machine)
            with self._state.change():
                become(instance, "stopped")

        self._submit(instance.db_instance_identifier, job)

    def start(self, instance: DBInstance, *, stop_first: bool = False) -> None:
        """Start the server, after stopping it for a reboot."""

        def job() -> None:
            with self._failure_shown(instance):
                if stop_first:
                    self.hosting.stop(instance.machine)
                self._bring_back(instance)

        self._submit(instance.db_instance_identifier, job)

    def _bring_back(self, instance: DBInstance) -> None:
        self.hosting.start(instance.machine)
        self._take_password(instance)
        with self._state.change():
            become(instance, "available")

    def delete(self, instance: DBInstance) -> None:
        """Take the final snapshot if one is wanted, then remove everything of the instance."""
        self._submit(instance.db_instance_identifier, lambda: self._delete(instance))

    def _delete(self, instance: DBInstance) -> None:
        if instance.final_snapshot is not None and not self._take_final_snapshot(instance):
            return
        self.hosting.delete(instance.machine)
        with self._state.lock:
            backups = [] if instance.keeps_backups else self._store.backups(instance)
        for name in backups:
            self.delete_snapshot(name)
        with self._state.change():
            self._store.forget_instance(instance)

    def _take_final_snapshot(self, instance: DBInstance) -> bool:
        """Whether it worked; the instance is not deleted otherwise."""
        with self._state.change():
            snapshot = self._store.add_snapshot(instance, str(instance.final_snapshot))
        try:
            self._copy(instance, snapshot)
        except (OSError, SandboxError) as error:
            _log.exception("final snapshot of %s failed", instance.db_instance_identifier)
            with self._state.change():
                instance.final_snapshot = None
                instance.status = status_of(error)
            return False
        with self._state.change():
            instance.final_snapshot = None
        return True

    def server_died(self, identifier: str) -> None:
        """Start a server again that ended by itself, ever more slowly when it keeps ending."""
        with self._state.lock:
            instance = self._store.instance(identifier)
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
        """After a start: bring every instance to what its status asks for."""
        with self._state.lock:
            self._store.drop_unfinished_snapshots()
            self.hosting.keep_only(self._store.instance_names(), self._store.snapshot_names())
            instances = self._store.instances()
        jobs = {
            "creating": self.create,
            "deleting": self.delete,
            "stopping": self.stop,
            "starting": self.start,
            "backing-up": self._back_up_again,
        }
        for instance in instances:
            if instance.status in jobs:
                jobs[instance.status](instance)
            elif instance.status in RUNNING | BROKEN:
                self.start(instance)

    def _back_up_again(self, instance: DBInstance) -> None:
        def job() -> None:
            with self._failure_shown(instance):
                self.hosting.start(instance.machine)
                self._first_backup(instance)

        self._submit(instance.db_instance_identifier, job)

    def settle(self) -> None:
        """Wait until all jobs are done."""
        wait(list(self._last.values()))

    def _failure_shown(self, instance: DBInstance) -> FailureShown:
        return FailureShown(self._state, instance)
