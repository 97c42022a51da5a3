"""What has to hold before a preview in mode branch is made: a template to clone from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from previews.lifecycle.preflight_report import Check
from previews.lifecycle.refresh import PUBLICATIONS

if TYPE_CHECKING:
    from previews.clients import Clients

TEMPLATE = "template of databases"


def template(clients: Clients) -> Check:
    """Whether a published server gives out clones; the controller takes the newest that does."""
    if not clients.platform.branches.namespace:
        return Check(
            name=TEMPLATE,
            passed=False,
            detail="staging hands out no databases in mode branch",
            remedy="take label preview-db-branch off, or set previews:branches.enabled of stack"
            " staging and run `previews refresh`.",
        )
    servers = {one.name: dict(one.raw) for one in clients.cluster.each(PUBLICATIONS)}
    ready = {name: server for name, server in servers.items() if _is_ready(server)}
    if not ready:
        found = "; ".join(f"{name}: {_why(server)}" for name, server in sorted(servers.items()))
        return Check(
            name=TEMPLATE,
            passed=False,
            detail=f"no server has one: {found or 'none is published'}",
            remedy="run `previews refresh`.",
        )
    newest = max(ready.values(), key=lambda server: server["spec"]["number"])
    created = datetime.fromisoformat(newest["spec"]["snapshotCreated"])
    hours = (datetime.now(UTC) - created).total_seconds() / 3600
    name = newest["metadata"]["name"]
    return Check(name=TEMPLATE, passed=True, detail=f"{name} has one, {hours:.0f} hours old")


def _is_ready(server: dict[str, Any]) -> bool:
    return _condition(server).get("status") == "True"


def _why(server: dict[str, Any]) -> str:
    return str(_condition(server).get("message") or "its controller has not looked at it yet")


def _condition(server: dict[str, Any]) -> dict[str, Any]:
    conditions = server.get("status", {}).get("conditions", [])
    return next((one for one in conditions if one.get("type") == "Ready"), {})
