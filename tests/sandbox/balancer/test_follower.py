"""Content of the cache after disconnects, refusals and 410 Gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from lightkube.resources.core_v1 import ConfigMap

from sandbox.balancer.follower import Follower, connect
from tests.sandbox.balancer.fake_api import FakeApi, Object, serving
from tests.waiting import eventually_beside

MAPS = "/api/v1/configmaps"


class Following:
    """A follower of configmaps, and what it held at each change."""

    def __init__(self, api: FakeApi, client: Any) -> None:
        self.api = api
        self.follower = Follower(client, ConfigMap, self._note)
        self.seen: list[dict[str, str]] = []

    def _note(self) -> None:
        self.seen.append({k: item["data"]["value"] for k, item in self.follower.objects.items()})

    async def until(self, **values: str) -> None:
        wanted = {f"default/{name}": value for name, value in values.items()}
        await eventually_beside(lambda: self.seen and self.seen[-1] == wanted)


@asynccontextmanager
async def following(api: FakeApi, tmp_path: Path) -> AsyncIterator[Following]:
    kubeconfig = tmp_path / "kubeconfig"
    async with serving(api, kubeconfig), connect(kubeconfig) as client:
        made = Following(api, client)
        task = asyncio.create_task(made.follower.run())
        try:
            await made.follower.synced.wait()
            await eventually_beside(lambda: api.watches)
            yield made
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _put(api: FakeApi, name: str, value: str, **metadata: Any) -> Object:
    return api.put(MAPS, name, data={"value": value}, metadata=metadata)


@pytest.fixture
def api() -> FakeApi:
    made = FakeApi()
    _put(made, "a", "1")
    return made


async def test_it_lists_then_follows(api: FakeApi, tmp_path: Path) -> None:
    async with following(api, tmp_path) as made:
        _put(api, "a", "2")
        _put(api, "b", "1")
        api.remove(MAPS, "a")
        await made.until(b="1")
        assert made.seen == [
            {"default/a": "1"},
            {"default/a": "2"},
            {"default/a": "2", "default/b": "1"},
            {"default/b": "1"},
        ]


async def test_after_410_gone_it_lists_again_and_finds_what_it_missed(
    api: FakeApi, tmp_path: Path
) -> None:
    _put(api, "goes", "1")
    async with following(api, tmp_path) as made:
        missed, api._streams[:] = list(api._streams), []
        _put(api, "a", "2")
        _put(api, "comes", "1")
        api.remove(MAPS, "goes")
        gone = {"code": 410, "reason": "Expired", "message": "too old resource version"}
        for _, stream in missed:
            stream.put_nowait({"type": "ERROR", "object": gone})
        await made.until(a="2", comes="1")
        assert api.lists == 2


async def test_a_watch_that_ends_goes_on_from_where_it_was(api: FakeApi, tmp_path: Path) -> None:
    async with following(api, tmp_path) as made:
        api.end_watches()
        await eventually_beside(lambda: api.watches == 2)
        _put(api, "b", "1")
        await made.until(a="1", b="1")
        assert api.lists == 1


async def test_a_connection_that_breaks_is_made_anew(api: FakeApi, tmp_path: Path) -> None:
    async with following(api, tmp_path) as made:
        _put(api, "a", "2")
        await made.until(a="2")
        api.break_watches()
        _put(api, "a", "3")
        await made.until(a="3")
        assert api.lists == 2


async def test_another_object_under_the_same_name_takes_its_place(
    api: FakeApi, tmp_path: Path
) -> None:
    async with following(api, tmp_path) as made:
        _put(api, "a", "new", uid="another")
        await made.until(a="new")
        assert made.follower.objects["default/a"]["metadata"]["uid"] == "another"


async def test_large_objects_pass(api: FakeApi, tmp_path: Path) -> None:
    async with following(api, tmp_path) as made:
        _put(api, "a", "x" * 500_000)
        await made.until(a="x" * 500_000)


async def test_an_api_server_that_refuses_is_asked_again(api: FakeApi, tmp_path: Path) -> None:
    api.answers[f"GET {MAPS}"] = [(503, {"message": "starting"}), (403, {"message": "not yet"})]
    async with following(api, tmp_path) as made:
        await made.until(a="1")
