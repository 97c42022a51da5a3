from __future__ import annotations

from typing import Any

import pytest

from sandbox.providers.kubernetes.await_annotations import (
    Expectation,
    expectations,
    problems,
    skips_await,
    timeout_seconds,
)


def _manifest(kind: str = "Job", **annotations: str) -> dict[str, Any]:
    named = {f"pulumi.com/{key}": value for key, value in annotations.items()}
    return {"kind": kind, "metadata": {"annotations": {"other.example/x": "1", **named}}}


@pytest.mark.parametrize(
    "manifest",
    [
        _manifest(),
        _manifest(skipAwait="true", timeoutSeconds="30", replaceUnready="false"),
        _manifest("ExternalSecret", waitFor="condition=Ready"),
        _manifest("ExternalSecret", waitFor="condition=Ready=False"),
        _manifest("Pod", waitFor="jsonpath={.status.phase}=Running"),
        _manifest("Pod", waitFor='["jsonpath={.status.ips[0].ip}", "condition=Ready"]'),
        {"kind": "Namespace", "metadata": {"name": "a"}},
    ],
)
def test_known_annotations_are_taken(manifest: dict[str, Any]) -> None:
    assert problems(manifest) == []


@pytest.mark.parametrize(
    ("manifest", "text"),
    [
        (_manifest(patchForce="true"), "not known to this stand-in"),
        (_manifest(skipAwait="yes"), "'yes'"),
        (_manifest(timeoutSeconds="5m"), "whole number of seconds"),
        (_manifest("Deployment", replaceUnready="true"), "for a Job only"),
        (_manifest(waitFor="ready"), "condition=<type>"),
        (_manifest(waitFor="jsonpath={.a[*].b}=1"), "condition=<type>"),
        (_manifest(waitFor='["condition=Ready", 1'), "condition=<type>"),
    ],
)
def test_each_other_is_refused_by_name(manifest: dict[str, Any], text: str) -> None:
    [problem] = problems(manifest)
    assert problem.property.startswith('metadata.annotations["pulumi.com/')
    assert text in problem.reason


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("condition=Ready", True),
        ("condition=Ready=True", True),
        ("condition=Ready=False", False),
        ("condition=Synced", False),
        ("jsonpath={.status.phase}=Running", True),
        ("jsonpath={.status.phase}=Failed", False),
        ("jsonpath={.status.ips[1].ip}", True),
        ("jsonpath={.status.ips[2].ip}", False),
        ("jsonpath={.status.count}=2", True),
        ("jsonpath={.status.phase.deeper}", False),
    ],
)
def test_an_expectation_is_compared_with_the_live_object(text: str, met: bool) -> None:
    live = {
        "status": {
            "phase": "Running",
            "count": 2,
            "ips": [{"ip": "a"}, {"ip": "b"}],
            "conditions": [{"type": "Ready", "status": "True"}],
        }
    }
    assert Expectation(text).is_met(live) is met
    assert Expectation(text).is_met({}) is False


def test_the_annotations_are_read() -> None:
    manifest = _manifest(skipAwait="true", timeoutSeconds="30", waitFor='["condition=A"]')
    assert skips_await(manifest)
    assert timeout_seconds(manifest) == 30
    assert expectations(manifest) == (Expectation("condition=A"),)
    assert not skips_await({})
    assert timeout_seconds({}) is None
    assert expectations({}) == ()
