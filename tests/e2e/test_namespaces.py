"""Namespaces that can't end: what holds one is named, and the next run finishes."""

from __future__ import annotations

from sandbox.aws.inventory import inventory
from tests.e2e import customers
from tests.e2e.namespaces import (
    end_within,
    external_secrets_stopped,
    held_by_a_dead_api,
    held_by_a_finalizer,
    is_gone,
)
from tests.e2e.test_interrupted import NO_PROGRAM
from tests.e2e.test_push import changed
from tests.e2e.test_weather import one_message
from tests.e2e.world import World
from tests.waiting import eventually

BOUND = 255
"""Seconds within which a namespace ends: its pods' own time, and four minutes."""


def databases(world: World, stack: str) -> list[str]:
    """Database instances of a stack."""
    return [
        item.id for item in inventory(world.settings) if (item.type, item.id) == ("rds:db", stack)
    ]


def test_a_namespace_that_an_api_keeps_is_named_and_the_next_destroy_finishes(
    world: World, preview: str, number: int
) -> None:
    assert end_within(world, preview, 5) == BOUND
    with held_by_a_dead_api(world, preview) as words:
        output = world.sandbox("destroy", str(number), fails=True)
    one_message(output, f"namespace {preview}", *words, "kubectl get apiservices")
    with changed(world, "infra/stacks/__init__.py", NO_PROGRAM):
        world.sandbox("destroy", str(number))
    assert is_gone(world, preview)


def test_while_a_finalizer_keeps_the_namespace_nothing_is_made_and_then_all_of_it(
    world: World, preview: str, number: int
) -> None:
    end_within(world, preview, 5)
    with held_by_a_finalizer(world, preview) as words:
        output = world.sandbox("destroy", str(number), fails=True)
        one_message(output, f"namespace {preview}", *words)
        had = databases(world, preview)
        output = world.sandbox("preview", str(number), fails=True)
        one_message(output, f"namespace {preview}", *words)
        assert databases(world, preview) == had
    eventually(lambda: is_gone(world, preview), f"namespace {preview} ends")
    world.sandbox("preview", str(number))
    with world.client(preview) as client:
        customers.crud_round_trip(client)


def test_without_external_secrets_a_removal_ends_and_the_next_one_finishes(
    world: World, preview: str, number: int
) -> None:
    end_within(world, preview, 5)
    with external_secrets_stopped(world):
        output = world.sandbox("destroy", str(number), fails=True)
    one_message(output, f"namespace {preview}", "external-secrets.io")
    world.sandbox("destroy", str(number))
    assert is_gone(world, preview)
