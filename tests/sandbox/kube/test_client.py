from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.errors import SandboxError
from sandbox.kube import clock, kubeconfig
from sandbox.kube.client import ApiError
from sandbox.kube.events import Recorder
from tests.sandbox.kube.fake_api import FakeApi, serving, until

EVENTS = "/api/v1/namespaces/default/events"
POD = {"kind": "Pod", "metadata": {"name": "web", "namespace": "default", "uid": "u"}}


async def test_a_refusal_carries_status_reason_and_message() -> None:
    api = FakeApi()
    api.answers["GET /x"] = [(404, {"reason": "NotFound", "message": 'pods "x" not found'})]
    async with serving(api) as client:
        with pytest.raises(ApiError, match='pods "x" not found') as caught:
            await client.get("/x")
    assert (caught.value.code, caught.value.reason) == (404, "NotFound")


async def test_a_repeated_event_raises_the_count_of_the_first() -> None:
    import asyncio

    api = FakeApi()
    async with serving(api) as client:
        recorder = Recorder(client, component="kubelet", host="node")
        task = asyncio.create_task(recorder.run())
        for _ in range(3):
            recorder.warning(POD, "BackOff", "again", "spec.containers{web}")
        recorder.normal(POD, "Pulled", "x" * 5000)
        await until(lambda: len(api.requests) == 4)
        task.cancel()
    methods = [method for method, _, _ in api.requests]
    assert methods == ["POST", "PATCH", "PATCH", "POST"]
    first = api.requests[0][2]
    assert first["involvedObject"]["fieldPath"] == "spec.containers{web}"
    assert [body["count"] for _, _, body in api.requests] == [1, 2, 3, 1]
    assert len(api.requests[3][2]["message"]) == 1024


async def test_an_event_that_is_refused_does_not_stop_the_others() -> None:
    import asyncio

    api = FakeApi()
    api.answers[f"POST {EVENTS}"] = [(403, {"message": "namespace is being terminated"})]
    async with serving(api) as client:
        recorder = Recorder(client, component="kubelet", host="node")
        task = asyncio.create_task(recorder.run())
        recorder.normal(POD, "One", "1")
        recorder.normal(POD, "Two", "2")
        await until(lambda: len(api.requests) == 2)
        task.cancel()
    assert api.requests[1][2]["reason"] == "Two"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file"),
        ("nonsense: [", "YAML"),
        ("contexts: []\ncurrent-context: a\n", "contexts has no entry named 'a'"),
        ("just text", "TypeError"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_says_why(
    tmp_path: Path, content: str | None, why: str
) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SandboxError) as caught:
        kubeconfig.read(path)
    assert str(path) in str(caught.value)
    if why != "YAML":
        assert why in str(caught.value)


@pytest.mark.parametrize("text", ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456789Z"])
def test_times_are_read_in_every_precision(text: str) -> None:
    assert clock.rfc3339(clock.parse(text)) == "2026-01-02T03:04:05Z"
