"""AWS account of a sandbox: the APIs, their state, the database servers."""

from __future__ import annotations

import ctypes
import gc

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from sandbox.aws import authorization, calls, ecr, foundation
from sandbox.aws.application import Application
from sandbox.aws.rds import backend
from sandbox.aws.rds.lifecycle import Lifecycle
from sandbox.aws.rds.servers import DatabaseServers
from sandbox.aws.state import AccountState
from sandbox.cluster.layout import Layout
from sandbox.containers.store import ImageStore
from sandbox.settings import OIDC_ISSUER, Settings


class Account:
    """The account; a process can have only one, since moto's backends are global.

    Attributes:
        application: WSGI application of the APIs.
    """

    def __init__(self, settings: Settings) -> None:
        """Load the state, or create the first resources of a new account."""
        state = AccountState(settings.home / "aws" / "state")
        self._servers = DatabaseServers(settings)
        self._lifecycle = Lifecycle(self._servers, state)
        ecr.install(ImageStore(settings.home / "images"))
        backend.install(self._lifecycle)
        authorization.install(OIDC_ISSUER, Layout(settings).service_account_key)
        calls.install(settings.home / "aws" / calls.FILE)
        if not state.load():
            with state.change():
                foundation.lay(settings)
        moto = DomainDispatcherApplication(create_backend_app)
        self.application = Application(moto, state)

    def resume(self) -> None:
        """Start the servers, finish what a kill interrupted, then report readiness."""
        self._lifecycle.resume()
        self._lifecycle.settle()
        _return_memory()
        self.application.ready = True

    def shut_down(self) -> None:
        """Shut all database servers down; the status of their instances stays."""
        self._servers.stop_all()


def _return_memory() -> None:
    """Return the memory that the import of moto used and freed, some 30 MB, to the system."""
    gc.collect()
    # Excluded from garbage collection: all of it lives as long as the process.
    gc.freeze()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
