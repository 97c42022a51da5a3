"""Connections of an app's pods to a database on a shared server, where its role has a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.app.app_environment import takes_login
from infra.errors import ProgramError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contract.app.model import App
    from infra.app.sizes import AppSizes


def connected_pods(app: App, sizes: AppSizes) -> dict[str, int]:
    """Return the most pods that connect to the database, by their key in ``preview.yaml``.

    Those of a rollout are among them. A hook's Job is not: it runs after the rollout, when there
    are fewer pods.
    """
    own = app.service.environment
    parts = {
        "service": (own, sizes.service),
        **{
            f"workers.{name}": ({**own, **worker.environment}, sizes.workers[name])
            for name, worker in app.workers.items()
        },
        **{f"web.{name}": (web.environment, sizes.web[name]) for name, web in app.web.items()},
    }
    return {
        name: part.most_pods for name, (variables, part) in parts.items() if takes_login(variables)
    }


def connections_of_a_pod(most: int, pods: Mapping[str, int]) -> int:
    """Return the most connections that one pod may open.

    Args:
        most: The most of the role that all pods connect as.
        pods: What `connected_pods` returns.

    Raises:
        ProgramError: There are more pods than connections.
    """
    count = sum(pods.values())
    if count <= most:
        return most // max(count, 1)
    listed = ", ".join(f"{name} {number}" for name, number in pods.items())
    raise ProgramError(
        "config previews:database.mode",
        why=f"it is branch, where a preview has at most {most} connections; while this app is"
        f" replaced, as many as {count} pods: {listed} (each with the {{user}} or {{password}} of"
        " the database)",
        remedy="need fewer replicas, or give the login to fewer; or label the pull request"
        " preview-db-snapshot; or ask the platform's owners to set"
        f" previews:branches.appConnections of stack staging to at least {count}",
    )
