from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sandbox.kube.informer import Informer
from tests.sandbox.kube.fake_api import FakeApi, Object, serving, until

PODS = "/api/v1/pods"
Changes = list[tuple[str | None, str | None]]


@asynccontextmanager
async def following(api: FakeApi) -> AsyncIterator[tuple[Informer, Changes]]:
    changes: Changes = []

    def note(old: Object | None, new: Object | None) -> None:
        changes.append((_value(old), _value(new)))

    async with serving(api) as client:
        informer = Informer(client, PODS, kind="Pod", on_change=note)
        task = asyncio.create_task(informer.run())
        try:
            await informer.synced.wait()
            await until(lambda: api.watches)
            yield informer, changes
        finally:
            task.cancel()


def _value(item: Object | None) -> str | None:
    return None if item is None else str(item["spec"]["value"])


def _spec(value: Any) -> Object:
    return {"value": value}


async def test_it_lists_then_follows() -> None:
    api = FakeApi()
    api.put(PODS, "a", spec=_spec(1), metadata={"managedFields": [{"x": 1}]})
    async with following(api) as (informer, changes):
        api.put(PODS, "a", spec=_spec(2))
        api.put(PODS, "b", spec=_spec(1))
        api.remove(PODS, "a")
        await until(lambda: len(changes) == 4)
        assert changes == [(None, "1"), ("1", "2"), (None, "1"), ("2", None)]
        assert list(informer.objects) == ["default/b"]


async def test_items_of_a_list_have_their_kind() -> None:
    api = FakeApi()
    api.put(PODS, "a", spec=_spec(1), metadata={"managedFields": [{"x": 1}]})
    async with following(api) as (informer, _):
        item = informer.objects["default/a"]
        assert (item["apiVersion"], item["kind"]) == ("v1", "Pod")
        assert "managedFields" not in item["metadata"]


async def test_after_410_gone_it_lists_again_and_reports_what_it_missed() -> None:
    api = FakeApi()
    api.put(PODS, "stays", spec=_spec(1))
    api.put(PODS, "goes", spec=_spec(1))
    async with following(api) as (informer, changes):
        changes.clear()
        missed, api._streams[:] = list(api._streams), []
        api.put(PODS, "stays", spec=_spec(2))
        api.put(PODS, "comes", spec=_spec(1))
        api.remove(PODS, "goes")
        gone = {"code": 410, "reason": "Expired", "message": "too old resource version"}
        for _, stream in missed:
            stream.put_nowait({"type": "ERROR", "object": gone})
        await until(lambda: api.lists == 2 and len(changes) == 3)
        assert sorted(changes, key=str) == [("1", "2"), ("1", None), (None, "1")]
        assert set(informer.objects) == {"default/stays", "default/comes"}


async def test_a_watch_that_ends_goes_on_from_where_it_was() -> None:
    api = FakeApi()
    async with following(api) as (_, changes):
        api.end_watches()
        await until(lambda: api.watches == 2)
        api.put(PODS, "a", spec=_spec(1))
        await until(lambda: changes == [(None, "1")])
        assert api.lists == 1


async def test_another_object_under_the_same_name_is_a_removal_and_an_addition() -> None:
    api = FakeApi()
    api.put(PODS, "a", spec=_spec("old"))
    async with following(api) as (_, changes):
        api.put(PODS, "a", spec=_spec("new"), metadata={"uid": "another"})
        await until(lambda: len(changes) == 3)
        assert changes[1:] == [("old", None), (None, "new")]


async def test_bookmarks_and_large_objects_pass() -> None:
    api = FakeApi()
    async with following(api) as (informer, changes):
        api.tell(PODS, "BOOKMARK", {"metadata": {"resourceVersion": "900"}})
        api.put(PODS, "large", spec={"value": 1, "text": "x" * 500_000})
        await until(lambda: changes)
        assert len(informer.objects["default/large"]["spec"]["text"]) == 500_000


async def test_an_api_server_that_refuses_is_asked_again() -> None:
    api = FakeApi()
    api.answers[f"GET {PODS}"] = [(503, {"message": "starting"}), (403, {"message": "not yet"})]
    api.put(PODS, "a", spec=_spec(1))
    async with following(api) as (_, changes):
        assert changes == [(None, "1")]
