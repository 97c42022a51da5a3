"""PreviewSummary from states that lack something, or have two of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from previews.pulumi.state import read_state
from previews.reporting import prices
from previews.reporting.preview_summary import PreviewSummary, sizes_of, summarize
from tests.previews.bringing import OUTPUTS, resource, resources

INSTANCE = "aws:rds/instance:Instance"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"


def facts(held: list[dict[str, Any]], **deployment: Any) -> PreviewSummary:
    document = {"deployment": {"resources": held, **deployment}}
    return summarize(read_state("pr-42", document), region="us-east-1", prices=prices.read())


def sizes(*held: dict[str, Any]) -> dict[str, Any]:
    state = read_state("pr-42", {"deployment": {"resources": list(held)}})
    return sizes_of(state.resources, "us-east-1").model_dump()


def deployment(*, requests: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    asked = {} if requests is None else {"resources": {"requests": requests}}
    template = {"spec": {"containers": [{"name": "service", **asked}, {"name": "sidecar"}]}}
    return resource(DEPLOYMENT, inputs={"spec": {"template": template, **spec}})


def test_each_fact_comes_from_its_output() -> None:
    found = facts(resources(OUTPUTS))
    assert found.model_dump(exclude={"cost"}) == {
        "stack": "pr-42",
        "url": "http://pr-42.preview.test",
        "mail_url": "",
        "health": "/health",
        "commit": "a" * 40,
        "mode": "snapshot",
        "snapshot": "rds:staging-2026-11-25-03-45",
        "snapshot_created": datetime(2026, 11, 25, 3, 44, 27, tzinfo=UTC),
        "created": datetime(2026, 11, 25, 3, 57, tzinfo=UTC),
        "expires": datetime(2099, 12, 2, 3, 38, 5, tzinfo=UTC),
        "resources": 2,
        "pending": False,
        "sign_in": False,
        "versions": {},
    }


def test_a_preview_of_an_old_commit_expires_after_its_last_deployment() -> None:
    """A sweep counts from there too."""
    outputs = resources(OUTPUTS | {"expires": "2025-01-08T00:00:00Z"})
    deployed = {"manifest": {"time": "2026-11-27T12:00:00.123456789Z"}}
    document = {"deployment": {"resources": outputs, **deployed}}
    state = read_state("pr-42", document)
    found = summarize(state, region="us-east-1", prices=prices.read(), ttl_days=7)
    assert found.expires == datetime(2026, 12, 4, 12, 0, 0, 123456, tzinfo=UTC)
    assert facts(outputs, **deployed).expires == datetime(2025, 1, 8, tzinfo=UTC)


def test_a_preview_is_as_old_as_the_oldest_thing_that_is_really_there() -> None:
    stack = resource("pulumi:pulumi:Stack", custom=False, outputs={}) | {
        "created": "2020-01-01T00:00:00Z"
    }
    made = [
        resource(INSTANCE, "a") | {"created": "2026-11-25T05:00:00Z"},
        resource(INSTANCE, "b") | {"created": "2026-11-25T04:00:00Z"},
        resource(INSTANCE, "c") | {"created": "2026-11-25T06:00:00Z"},
        resource(INSTANCE, "d") | {"created": None},
    ]
    assert facts([stack, *made]).created == datetime(2026, 11, 25, 4, tzinfo=UTC)
    assert facts([stack]).created is None


@pytest.mark.parametrize("document", [{}, {"deployment": None}, {"deployment": {}}])
def test_an_empty_state_has_nothing_to_tell(document: dict[str, Any]) -> None:
    found = summarize(read_state("pr-42", document), region="us-east-1", prices=prices.read())
    assert (found.created, found.resources, found.pending, found.url) == (None, 0, False, "")


def test_the_page_with_the_mail_is_known_where_the_stack_has_one() -> None:
    url = "http://pr-42.preview.test/_mail"
    assert facts(resources(OUTPUTS | {"mailUrl": url})).mail_url == url
    assert facts(resources(OUTPUTS)).mail_url == ""


def test_a_time_without_a_zone_is_utc_s() -> None:
    outputs = OUTPUTS | {
        "expires": "2026-12-01T10:00:00",
        "snapshotCreated": "2026-12-01T10:00:00+02:00",
    }
    found = facts(resources(outputs))
    assert found.expires == datetime(2026, 12, 1, 10, tzinfo=UTC)
    assert found.snapshot_created == datetime(2026, 12, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cpu", "millicores"),
    [("100m", 100), ("1", 1000), ("0.5", 500), ("2", 2000), ("1500m", 1500)],
)
def test_processors_are_counted_in_thousandths(cpu: str, millicores: int) -> None:
    assert (
        sizes(deployment(requests={"cpu": cpu, "memory": "64Mi"}))["cpu_millicores"] == millicores
    )


def test_sizes_are_those_of_what_was_declared() -> None:
    instance = resource(
        INSTANCE,
        inputs={"instanceClass": "db.t4g.micro", "allocatedStorage": 1},
        outputs={"allocatedStorage": 33},
    )
    worker = deployment(requests={"cpu": "100m", "memory": "64Mi"}, replicas=1)
    service = deployment(requests={"cpu": "250m", "memory": "512Mi"}, replicas=3)
    found = sizes(instance, worker, service)
    assert {name: found[name] for name in ("database_class", "database_gib", "secrets")} == {
        "database_class": "db.t4g.micro",
        "database_gib": 33,
        "secrets": 1,
    }
    assert (found["pods"], found["cpu_millicores"], found["memory_mib"]) == (4, 850, 1600)


def test_what_is_not_there_takes_nothing() -> None:
    found = sizes(resource("kubernetes:batch/v1:Job"))
    assert (found["database_class"], found["pods"], found["secrets"]) == (None, 0, 0)
    found = sizes(resource(INSTANCE, inputs={"instanceClass": "db.t4g.micro"}), deployment())
    assert (found["database_gib"], found["pods"]) == (0, 1)
    assert (found["cpu_millicores"], found["memory_mib"]) == (0, 0)


def test_what_runs_is_what_was_answered_where_it_differs() -> None:
    asked = deployment(requests={"cpu": "100m", "memory": "256Mi"}, replicas=1)
    answered = deployment(requests={"cpu": "100m", "memory": "256Mi"}, replicas=4)["inputs"]
    assert sizes(asked | {"outputs": answered})["pods"] == 4


@pytest.mark.parametrize("memory", ["1Gi", "much"])
def test_a_size_that_can_not_be_read_has_no_price(memory: str) -> None:
    held = [*resources(OUTPUTS)[:-1], deployment(requests={"cpu": "1", "memory": memory})]
    assert facts(held).cost is None


def test_the_cost_grows_from_when_it_was_made() -> None:
    found = facts(resources(OUTPUTS))
    assert found.cost is not None
    assert found.created is not None
    assert found.so_far(found.created + timedelta(days=2)) == found.cost.a_day * 2
    assert found.so_far(found.created - timedelta(days=2)) == Decimal(0)
    assert found.model_copy(update={"created": None}).so_far(found.created) is None
    assert found.model_copy(update={"cost": None}).so_far(found.created) is None
