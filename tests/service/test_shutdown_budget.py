"""preStop, drain and grace agree: what the manifests give is what the service takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from service.server import KEEP_ALIVE_SECONDS
from service.settings import DatabaseSettings, Settings

PROJECT = Path(__file__).parents[2]
# uvicorn looks for the end of requests ten times a second, and closing the pool takes a moment.
SLACK = 1


def default(key: str) -> Any:
    return yaml.safe_load((PROJECT / "Pulumi.yaml").read_text())["config"][key]["default"]


def test_a_pod_is_not_killed_while_it_drains() -> None:
    settings = Settings()
    taken = settings.drain_seconds + settings.shutdown_seconds + SLACK
    available = default("service.gracePeriodSeconds") - default("service.preStopSeconds")
    assert taken <= available


def test_every_request_ends_within_the_drain() -> None:
    limits = DatabaseSettings(host="x", name="x", user="x", password="x")
    longest = limits.pool_wait_seconds + limits.deadline_seconds
    assert longest <= Settings().shutdown_seconds


def test_a_statement_is_ended_by_the_server_before_we_stop_listening() -> None:
    limits = DatabaseSettings(host="x", name="x", user="x", password="x")
    assert limits.lock_timeout_seconds < limits.statement_timeout_seconds < limits.deadline_seconds


def test_the_load_balancer_closes_idle_connections_first() -> None:
    assert KEEP_ALIVE_SECONDS > 60
