from __future__ import annotations

import json
from pathlib import Path

from bench.timeline import Work, draw, operations, record
from previews.pulumi import events

EVENTS = Path(__file__).parents[1] / "previews" / "events"


def _event(kind: str, op: str, type_: str, name: str) -> str:
    urn = f"urn:pulumi:pr-42::previews::{type_}::{name}"
    return json.dumps({kind: {"metadata": {"op": op, "urn": urn, "type": type_}}}) + "\n"


def test_every_change_of_a_resource_is_shown_once_and_nothing_else() -> None:
    seen = [(float(at), event) for at, event in enumerate(events.read(EVENTS / "first.jsonl"))]
    works = operations(seen)
    names = [work.name for work in works]
    assert len(set(names)) == len(names)
    assert {"Instance instance", "Job prepare", "Ingress ingress"} <= set(names)
    assert not any("Stack" in name or "provider" in name for name in names)
    assert [work.began for work in works] == sorted(work.began for work in works)
    assert all(work.began < work.ended for work in works)


def test_a_replacement_is_its_deletion_and_its_creation() -> None:
    job = ("kubernetes:batch/v1:Job", "migrate")
    lines = [
        _event("resourcePreEvent", "delete-replaced", *job),
        _event("resOutputsEvent", "delete-replaced", *job),
        _event("resourcePreEvent", "replace", *job),
        _event("resOutputsEvent", "replace", *job),
        _event("resourcePreEvent", "create-replacement", *job),
        _event("resOpFailedEvent", "create-replacement", *job),
    ]
    seen = [event for line in lines if (event := events.parse(line))]
    assert operations((float(at), event) for at, event in enumerate(seen)) == [
        Work("Job migrate", 0, 1),
        Work("Job migrate", 4, 5),
    ]


def test_what_is_written_until_the_command_ends_is_read() -> None:
    def command(log: Path) -> None:
        kind = ("kubernetes:core/v1:Service", "service")
        log.write_text(_event("resourcePreEvent", "create", *kind))
        with log.open("a") as file:
            file.write(_event("resOutputsEvent", "create", *kind))

    [work] = record(command)
    assert work.name == "Service service"
    assert 0 <= work.began <= work.ended


def test_it_fits_eighty_columns_and_bars_are_to_scale() -> None:
    works = [Work("Instance instance", 0, 3), Work("NetworkPolicy " + "x" * 40, 3, 6)]
    first, second = draw(works).splitlines()
    assert max(len(first), len(second)) <= 80
    assert first.count("█") == second.count("█")
    assert second.index("█") == first.rindex("█") + 1
    assert draw([]) == ""
