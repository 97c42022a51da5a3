"""One pass over everything: what is claimed is handed out, what is not needed is dropped.

Each pass looks at the whole and never at an event alone, so that one that was missed, killed
or failed is made good by the next. The same pass is the janitor.
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

from database.branches import conditions, handing, janitor, registry, spares, template
from database.branches.cluster import Cluster
from database.branches.errors import BranchError, NotReadyError
from database.branches.handing import Claim, Limits
from database.branches.names import BranchNames
from database.branches.registry import Kind, Session
from database.branches.resources import FINALIZER, Branch, Generation, Object
from database.branches.server import Master
from database.branches.spares import Pool
from service.prepare.errors import PrepareError

MIGRATOR_SECRET = "database-migrator"  # noqa: S105 - its name is no secret
APP_SECRET = "database-app"  # noqa: S105

_LOG = structlog.get_logger()
_CLUSTER_FAILED = (ApiError, httpx2.HTTPError)


@dataclass(frozen=True)
class Outcome:
    """What a pass came to.

    Attributes:
        waiting: Whether something is to be tried again soon.
    """

    waiting: bool


class Controller:
    """Hands databases out.

    Args:
        cluster: Where they are asked for.
        limits: Connections of each preview.
        pool: Clones made ahead.
    """

    def __init__(self, cluster: Cluster, limits: Limits, pool: Pool) -> None:
        self._cluster = cluster
        self._limits = limits
        self._pool = pool
        self._upgraded: set[str] = set()

    def reconcile(self) -> Outcome:
        """Bring everything nearer to what is asked for.

        Raises:
            ApiError: The cluster does not answer; nothing was done on half an answer.
        """
        generations = sorted(self._cluster.generations(), key=lambda g: g.number, reverse=True)
        branches = [self._pinned(branch, generations) for branch in self._cluster.branches()]
        waiting = [self._serve(generation, branches) for generation in generations]
        named = {generation.name for generation in generations}
        waiting += [self._unserved(b) for b in branches if b.generation not in named]
        return Outcome(waiting=any(waiting))

    def _pinned(self, branch: Branch, generations: Sequence[Generation]) -> Branch:
        """The claim with the newest server written down in it, if it has none yet."""
        if branch.generation or branch.deleting or BranchNames.of(branch.namespace) is None:
            return branch
        newest = next((g for g in generations if g.is_ready and not g.deleting), None)
        if newest is None:
            return branch
        self._keep(branch)
        self._say(
            branch,
            {"generation": newest.name},
            reason="Waiting",
            message=f"a clone on {newest.name} is being made.",
        )
        return next(b for b in self._cluster.branches() if b.uid == branch.uid)

    def _unserved(self, branch: Branch) -> bool:
        """A claim without a server: it has to wait, or has nothing left to be dropped."""
        if branch.deleting:
            self._release(branch)
            return False
        if BranchNames.of(branch.namespace) is None:
            message = "only a namespace pr-<n> gets a database here."
            self._say(branch, {}, reason="Refused", message=message)
            return False
        if branch.generation:
            message = (
                f"server {branch.generation} is not there any more, and the database went with"
                " it. Destroy the preview and bring it up again."
            )
            self._say(branch, {}, reason="Lost", message=message)
            return False
        message = "no server has a template yet: `previews refresh` makes one."
        self._say(branch, {}, reason="NoGeneration", message=message)
        return False

    def _serve(self, generation: Generation, branches: Sequence[Branch]) -> bool:
        """Do all there is to do on one server; returns whether to come back soon."""
        here = [branch for branch in branches if branch.generation == generation.name]
        try:
            self._keep(generation)
            with registry.session(self._master(generation)) as session:
                if generation.uid not in self._upgraded:
                    registry.upgrade(session)
                    self._upgraded.add(generation.uid)
                return self._work(session, generation, here, branches)
        except (BranchError, psycopg2.Error) as error:
            self._failed(generation, error)
            for branch in here:
                if not branch.is_served:
                    self._failed(branch, error)
            return True

    def _work(
        self,
        session: Session,
        generation: Generation,
        here: Sequence[Branch],
        branches: Sequence[Branch],
    ) -> bool:
        for name in janitor.clear_unfinished(session):
            _LOG.info("dropped what a killed run had left", database=name, server=generation.name)
        going = [self._attempt(self._drop, session, b, generation) for b in here if b.deleting]
        claimed = {b.namespace for b in branches}
        for namespace in janitor.drop_orphans(session, claimed, self._cluster.is_gone):
            _LOG.info("dropped what outlived its namespace", namespace=namespace)
        self._drop_displaced(session, generation, branches)
        if generation.deleting and not _held(session):
            self._release(generation)
            return False
        snapshot = template.require(session)
        coming = [
            self._attempt(self._hand_out, session, b, generation) for b in here if not b.deleting
        ]
        self._describe(generation, _held(session), snapshot)
        if any([*going, *coming]):
            return True
        return not generation.deleting and spares.add_one(session, self._pool)

    def _attempt(self, act: Any, session: Session, branch: Branch, generation: Generation) -> bool:
        """Act on one claim, so that its failure is its own; returns whether to try again."""
        try:
            act(session, branch, generation)
        except (BranchError, PrepareError, psycopg2.Error, *_CLUSTER_FAILED) as error:
            if session.is_lost:
                raise NotReadyError(f"the server went away: {error}") from error
            self._failed(branch, error)
            return True
        return False

    def _hand_out(self, session: Session, branch: Branch, generation: Generation) -> None:
        names = BranchNames.of(branch.namespace)
        if names is None:
            raise NotReadyError("only a namespace pr-<n> gets a database here.")
        self._keep(branch)
        claim = Claim(
            names=names,
            uid=branch.uid,
            reset=branch.reset,
            migrator_password=self._password(branch.namespace, MIGRATOR_SECRET, names.migrator),
            app_password=self._password(branch.namespace, APP_SECRET, names.app),
        )
        if handing.ensure(session, claim, self._limits):
            _LOG.info("handed out", namespace=branch.namespace, server=generation.name)
        if handing.give_logins(session, claim):
            _LOG.info("gave the Secrets' passwords", namespace=branch.namespace)
        facts = {
            "generation": generation.name,
            "host": generation.host,
            "port": generation.port,
            "database": names.database,
            "snapshot": generation.snapshot,
            "snapshotCreated": generation.snapshot_created,
            "reset": branch.reset,
        }
        message = f"{names.database} on {generation.name} is a clone of {generation.snapshot}."
        self._say(branch, facts, ready=True, reason="HandedOver", message=message)

    def _password(self, namespace: str, secret: str, role: str) -> SecretStr:
        user, password = self._cluster.login(namespace, secret)
        if user != role:
            raise NotReadyError(
                f"Secret {namespace}/{secret} is a login of {user!r}, expected {role!r}."
            )
        return SecretStr(password)

    def _drop(self, session: Session, branch: Branch, generation: Generation) -> None:
        names = BranchNames.of(branch.namespace)
        if names is not None:
            handing.remove(session, names)
            _LOG.info("dropped", namespace=branch.namespace, server=generation.name)
        self._release(branch)

    def _drop_displaced(
        self, session: Session, generation: Generation, branches: Sequence[Branch]
    ) -> None:
        """Drop what a namespace of the same name had here, when its claim got another server."""
        elsewhere = {
            b.namespace for b in branches if b.generation and b.generation != generation.name
        }
        for namespace in sorted(_held(session) & elsewhere):
            names = BranchNames.of(namespace)
            if names is not None:
                handing.remove(session, names)
                _LOG.info("dropped a former one", namespace=namespace, server=generation.name)

    def _describe(self, generation: Generation, held: set[str], snapshot: str) -> None:
        facts = {"branches": len(held)}
        if generation.deleting:
            message = f"it goes when its last previews have gone: {', '.join(sorted(held))}."
            self._say(generation, facts, reason="InUse", message=message)
            return
        message = f"clones of {snapshot} are handed out."
        self._say(generation, facts, ready=True, reason="Serving", message=message)

    def _master(self, generation: Generation) -> Master:
        user, password = self._cluster.login(generation.namespace, generation.secret)
        return Master(
            generation.host, user, SecretStr(password), generation.port, generation.sslmode
        )

    def _failed(self, item: Object, error: Exception) -> None:
        text = " ".join(str(error).split())
        _LOG.warning("failed", item=f"{item.namespace}/{item.name}", error=text)
        reason = error.reason if isinstance(error, BranchError) else "Failed"
        if isinstance(item, Generation) and item.is_ready and reason == "Waiting":
            return  # Busy for a moment, or not to be reached: what it handed out is still there.
        self._say(item, {}, reason=reason, message=text)

    def _say(
        self, item: Object, facts: dict[str, Any], *, reason: str, message: str, ready: bool = False
    ) -> None:
        status = conditions.status(item, facts, ready=ready, reason=reason, message=message)
        if status is not None:
            self._cluster.report(item, status)

    def _keep(self, item: Object) -> None:
        if FINALIZER not in item.finalizers and not item.deleting:
            self._cluster.keep(item)

    def _release(self, item: Object) -> None:
        if FINALIZER in item.finalizers:
            self._cluster.release(item)


def _held(session: Session) -> set[str]:
    return {e.namespace for e in session.entries() if e.kind is Kind.BRANCH and e.namespace}
