"""Summary of a preview, from its stack's state alone. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from previews.pulumi.state import Resource, StackState, requires_sign_in
from previews.reporting.cost import Cost, PreviewSizes, preview_cost
from previews.reporting.prices import Prices, UnknownPriceError
from previews.reporting.support import POSTGRESQL

_INSTANCE = "aws:rds/instance:Instance"
_DEPLOYMENT = "kubernetes:apps/v1:Deployment"
_TIME = TypeAdapter(datetime)


class PreviewSummary(BaseModel):
    """Summary of a preview.

    Attributes:
        stack: Name of the preview.
        url: Its URL; empty while it has none.
        mail_url: URL of the page with the app's mail; empty where it needs none.
        health: Path of its health check.
        commit: Commit of its last deployment.
        mode: Mode of its database; empty where it is unknown.
        snapshot: The snapshot that its data was copied from; empty without one.
        snapshot_created: Time of that snapshot.
        created: Time when its first resource was created.
        expires: Time when it expires.
        resources: Number of its resources.
        pending: True if an operation on it has begun and not ended.
        sign_in: True if the load balancer requires people to sign in.
        versions: Versions that AWS supports for a time, by software.
        cost: Its cost; None where prices.toml lacks its region or sizes.
    """

    model_config = ConfigDict(frozen=True)

    stack: str
    url: str = ""
    mail_url: str = ""
    health: str = "/health"
    commit: str = ""
    mode: str = ""
    snapshot: str = ""
    snapshot_created: datetime | None = None
    created: datetime | None = None
    expires: datetime | None = None
    resources: int = 0
    pending: bool = False
    sign_in: bool = False
    versions: Mapping[str, str] = {}
    cost: Cost | None = None

    def so_far(self, now: datetime) -> Decimal | None:
        """Return its cost until now in dollars; None where it is unknown."""
        if self.cost is None or self.created is None:
            return None
        return self.cost.so_far(self.created, now)


def summarize(
    state: StackState, *, region: str, prices: Prices, name: str = "", ttl_days: int | None = None
) -> PreviewSummary:
    """Summarize a stack's state.

    Args:
        state: The state.
        region: AWS region, for the prices.
        prices: The dated prices.
        name: The preview's name among all apps; empty for the stack's own.
        ttl_days: Days from a deployment to the expiry, as a sweep counts them, since the
            deployed commit may be old; None to count from the commit alone.
    """
    outputs = state.outputs
    return PreviewSummary(
        stack=name or state.stack,
        url=_text(outputs, "url"),
        mail_url=_text(outputs, "mailUrl"),
        health=_text(outputs, "health") or "/health",
        commit=_text(outputs, "commit"),
        mode=_text(outputs, "databaseMode"),
        snapshot=_text(outputs, "snapshot"),
        snapshot_created=_time(outputs.get("snapshotCreated")),
        created=_created(state.document),
        expires=_expires(state, ttl_days),
        resources=sum(resource.custom for resource in state.resources),
        pending=bool(state.pending),
        sign_in=requires_sign_in(state.resources),
        versions=_versions(state.resources),
        cost=_cost(state.resources, region, prices),
    )


def _expires(state: StackState, ttl_days: int | None) -> datetime | None:
    expires = _time(state.outputs.get("expires"))
    manifest = (state.document.get("deployment") or {}).get("manifest") or {}
    deployed = _time(manifest.get("time"))
    if expires is None or deployed is None or ttl_days is None:
        return expires
    return max(expires, deployed + timedelta(days=ttl_days))


def sizes_of(resources: Iterable[Resource], region: str) -> PreviewSizes:
    """Return the sizes of a preview's resources, as they were declared."""
    sizes: dict[str, Any] = {"region": region, "pods": 0, "cpu_millicores": 0, "memory_mib": 0}
    for resource in resources:
        if resource.type == _INSTANCE:
            sizes["database_class"] = resource.inputs.get("instanceClass")
            # Storage comes with the snapshot, so only the output has its size.
            sizes["database_gib"] = int(resource.outputs.get("allocatedStorage") or 0)
            sizes["secrets"] = 1  # The master password that RDS manages.
        if resource.type == _DEPLOYMENT:
            spec = {**resource.inputs, **resource.outputs}.get("spec", {})
            [container, *_] = spec["template"]["spec"]["containers"]
            requested = container.get("resources", {}).get("requests", {})
            pods = int(spec.get("replicas") or 1)
            sizes["pods"] += pods
            sizes["cpu_millicores"] += pods * _millicores(str(requested.get("cpu", "0")))
            sizes["memory_mib"] += pods * int(
                str(requested.get("memory", "0Mi")).removesuffix("Mi")
            )
    return PreviewSizes.model_validate(sizes)


def _cost(resources: Iterable[Resource], region: str, prices: Prices) -> Cost | None:
    try:
        return preview_cost(sizes_of(resources, region), prices)
    except (UnknownPriceError, ValidationError, ValueError, KeyError):
        # An estimate is not worth a failure.
        return None


def _versions(resources: Iterable[Resource]) -> dict[str, str]:
    engines = [
        str(resource.outputs.get("engineVersionActual") or resource.outputs.get("engineVersion"))
        for resource in resources
        if resource.type == _INSTANCE and resource.outputs.get("engineVersion")
    ]
    return {POSTGRESQL: engines[0]} if engines else {}


def _millicores(text: str) -> int:
    return int(text.removesuffix("m")) if text.endswith("m") else int(float(text) * 1000)


def _text(outputs: Mapping[str, Any], name: str) -> str:
    value = outputs.get(name)
    return value if isinstance(value, str) else ""


def _time(value: object) -> datetime | None:
    try:
        found = _TIME.validate_python(value)
    except ValidationError:
        return None  # "never", as staging has it, or no value.
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _created(document: Mapping[str, Any]) -> datetime | None:
    found = [
        time
        for resource in (document.get("deployment") or {}).get("resources") or []
        if resource.get("custom") and (time := _time(resource.get("created"))) is not None
    ]
    return min(found, default=None)
