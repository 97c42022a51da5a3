"""One pass of the controller: provision the databases that are requested, drop the others.

Each pass looks at the whole state, never at a single event, so a pass that was missed, killed
or failed is made up for by the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
import psycopg2
import structlog
from lightkube import ApiError
from pydantic import SecretStr

from contract.kubernetes import APP_SECRET, FINALIZER, MIGRATOR_SECRET
from database.access import AccessError
from database.branches import clones, provisioning, registry, template
from database.branches.clones import SparePool
from database.branches.cluster import Cluster
from database.branches.errors import BranchError, NotReadyError
from database.branches.names import BranchNames
from database.branches.provisioning import BranchRequest, ConnectionLimits
from database.branches.registry import DatabaseKind, Session
from database.branches.resources import Branch, Generation, Object
from database.branches.server import Master

_LOG = structlog.get_logger()
_CLUSTER_FAILED = (ApiError, httpx2.HTTPError)


@dataclass(frozen=True)
class Outcome:
    """The result of a pass.

    Attributes:
        waiting: True if another pass is needed soon.
    """

    waiting: bool


class Controller:
    """Provisions and drops the databases of previews.

    Args:
        cluster: Holds the requests and the published servers.
        limits: Connections of each preview.
        pool: Clones made in advance.
        extensions: Extensions of PostgreSQL that each clone gets.
    """

    def __init__(
        self,
        cluster: Cluster,
        limits: ConnectionLimits,
        pool: SparePool,
        extensions: Sequence[str] = (),
    ) -> None:
        self._cluster = cluster
        self._limits = limits
        self._pool = pool
        self._extensions = tuple(extensions)
        self._upgraded: set[str] = set()

    def reconcile(self) -> Outcome:
        """Bring all servers closer to the requested state.

        Raises:
            ApiError: The cluster did not return all objects, so nothing was changed.
        """
        generations = sorted(self._cluster.generations(), key=lambda g: g.number, reverse=True)
        branches = [self._pin(branch, generations) for branch in self._cluster.branches()]
        waiting = [self._serve(generation, branches) for generation in generations]
        named = {generation.name for generation in generations}
        for branch in branches:
            if branch.generation not in named:
                self._report_unserved(branch)
        return Outcome(waiting=any(waiting))

    def _pin(self, branch: Branch, generations: Sequence[Generation]) -> Branch:
        """Record the newest server in the status of a request that has none yet."""
        if branch.generation or branch.deleting or BranchNames.of(branch.namespace) is None:
            return branch
        newest = next((g for g in generations if g.is_ready and not g.deleting), None)
        if newest is None:
            return branch
        self._add_finalizer(branch)
        self._report(
            branch,
            {"generation": newest.name},
            reason="Waiting",
            message=f"a clone on {newest.name} is being made.",
        )
        return next(b for b in self._cluster.branches() if b.uid == branch.uid)

    def _report_unserved(self, branch: Branch) -> None:
        """Report why a request has no server, or release it: there is nothing to drop."""
        if branch.deleting:
            self._remove_finalizer(branch)
        elif BranchNames.of(branch.namespace) is None:
            message = "databases are provisioned for namespaces called pr-<n> only."
            self._report(branch, {}, reason="Refused", message=message)
        elif branch.generation:
            message = (
                f"server {branch.generation} no longer exists, nor does the database on it."
                " Destroy the preview and deploy it again."
            )
            self._report(branch, {}, reason="DatabaseMissing", message=message)
        else:
            message = "no server has a template yet. Run `previews refresh` to create one."
            self._report(branch, {}, reason="NoGeneration", message=message)

    def _serve(self, generation: Generation, branches: Sequence[Branch]) -> bool:
        """Do all the work on one server; return whether another pass is needed soon."""
        here = [branch for branch in branches if branch.generation == generation.name]
        try:
            self._add_finalizer(generation)
            with registry.session(self._master(generation)) as session:
                if generation.uid not in self._upgraded:
                    registry.upgrade(session)
                    self._upgraded.add(generation.uid)
                return self._reconcile_server(session, generation, here, branches)
        except (BranchError, psycopg2.Error) as error:
            self._report_failure(generation, error)
            for branch in here:
                if not branch.is_served:
                    self._report_failure(branch, error)
            return True

    def _reconcile_server(
        self,
        session: Session,
        generation: Generation,
        here: Sequence[Branch],
        branches: Sequence[Branch],
    ) -> bool:
        for name in clones.drop_unfinished(session):
            _LOG.info(
                "dropped an unfinished database of a killed run",
                database=name,
                server=generation.name,
            )
        dropping = [self._attempt(self._drop, session, b, generation) for b in here if b.deleting]
        requested = {b.namespace for b in branches}
        for namespace in clones.drop_orphans(session, requested, self._cluster.is_gone):
            _LOG.info("dropped the database of a deleted namespace", namespace=namespace)
        self._drop_displaced(session, generation, branches)
        if generation.deleting and not _branch_namespaces(session):
            self._remove_finalizer(generation)
            return False
        snapshot = template.require(session)
        provisioned = [
            self._attempt(self._provision, session, b, generation) for b in here if not b.deleting
        ]
        self._report_generation(generation, _branch_namespaces(session), snapshot)
        if any([*dropping, *provisioned]):
            return True
        return not generation.deleting and clones.add_spare(session, self._pool)

    def _attempt(
        self, action: Any, session: Session, branch: Branch, generation: Generation
    ) -> bool:
        """Act on one request, isolating its failure; return whether to retry."""
        try:
            action(session, branch, generation)
        except (BranchError, AccessError, psycopg2.Error, *_CLUSTER_FAILED) as error:
            if session.is_lost:
                raise NotReadyError(f"the connection to the server was lost: {error}") from error
            self._report_failure(branch, error)
            return True
        return False

    def _provision(self, session: Session, branch: Branch, generation: Generation) -> None:
        names = BranchNames.of(branch.namespace)
        if names is None:
            raise NotReadyError("databases are provisioned for namespaces called pr-<n> only.")
        self._add_finalizer(branch)
        request = BranchRequest(
            names=names,
            uid=branch.uid,
            reset=branch.reset,
            migrator_password=self._password(branch.namespace, MIGRATOR_SECRET, names.migrator),
            app_password=self._password(branch.namespace, APP_SECRET, names.app),
            extensions=self._extensions,
        )
        if provisioning.ensure(session, request, self._limits):
            _LOG.info("provisioned", namespace=branch.namespace, server=generation.name)
        if provisioning.set_passwords(session, request):
            _LOG.info("set the passwords of the Secrets", namespace=branch.namespace)
        fields = {
            "generation": generation.name,
            "host": generation.host,
            "port": generation.port,
            "database": names.database,
            "snapshot": generation.snapshot,
            "snapshotCreated": generation.snapshot_created,
            "reset": branch.reset,
        }
        message = f"{names.database} on {generation.name} is a clone of {generation.snapshot}."
        self._report(branch, fields, ready=True, reason="Provisioned", message=message)

    def _password(self, namespace: str, secret: str, role: str) -> SecretStr:
        user, password = self._cluster.login(namespace, secret)
        if user != role:
            raise NotReadyError(
                f"Secret {namespace}/{secret} has the username {user!r}, expected {role!r}."
            )
        return SecretStr(password)

    def _drop(self, session: Session, branch: Branch, generation: Generation) -> None:
        names = BranchNames.of(branch.namespace)
        if names is not None:
            provisioning.remove(session, names)
            _LOG.info("dropped", namespace=branch.namespace, server=generation.name)
        self._remove_finalizer(branch)

    def _drop_displaced(
        self, session: Session, generation: Generation, branches: Sequence[Branch]
    ) -> None:
        """Drop databases here whose namespaces have a request that is served by another server."""
        elsewhere = {
            b.namespace for b in branches if b.generation and b.generation != generation.name
        }
        for namespace in sorted(_branch_namespaces(session) & elsewhere):
            names = BranchNames.of(namespace)
            if names is not None:
                provisioning.remove(session, names)
                _LOG.info("dropped a replaced one", namespace=namespace, server=generation.name)

    def _report_generation(self, generation: Generation, held: set[str], snapshot: str) -> None:
        fields = {"branches": len(held)}
        if generation.deleting:
            message = f"deleted once these previews are destroyed: {', '.join(sorted(held))}."
            self._report(generation, fields, reason="InUse", message=message)
            return
        message = f"serves clones of {snapshot}."
        self._report(generation, fields, ready=True, reason="Serving", message=message)

    def _master(self, generation: Generation) -> Master:
        user, password = self._cluster.login(generation.namespace, generation.secret)
        return Master(
            generation.host, user, SecretStr(password), generation.port, generation.sslmode
        )

    def _report_failure(self, item: Object, error: Exception) -> None:
        text = " ".join(str(error).split())
        _LOG.warning("failed", item=f"{item.namespace}/{item.name}", error=text)
        reason = error.reason if isinstance(error, BranchError) else "Failed"
        if isinstance(item, Generation) and item.is_ready and reason == "Waiting":
            return  # Busy or unreachable for a moment: the databases on it are still there.
        self._report(item, {}, reason=reason, message=text)

    def _report(
        self,
        item: Object,
        fields: dict[str, Any],
        *,
        reason: str,
        message: str,
        ready: bool = False,
    ) -> None:
        status = item.new_status(fields, ready=ready, reason=reason, message=message)
        if status is not None:
            self._cluster.write_status(item, status)

    def _add_finalizer(self, item: Object) -> None:
        if FINALIZER not in item.finalizers and not item.deleting:
            self._cluster.add_finalizer(item)

    def _remove_finalizer(self, item: Object) -> None:
        if FINALIZER in item.finalizers:
            self._cluster.remove_finalizer(item)


def _branch_namespaces(session: Session) -> set[str]:
    entries = session.entries()
    return {e.namespace for e in entries if e.kind is DatabaseKind.BRANCH and e.namespace}
