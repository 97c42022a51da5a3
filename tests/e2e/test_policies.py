"""The policies, evaluated by the real engine on real stacks."""

from __future__ import annotations

from tests.e2e.world import World


def test_the_program_breaks_no_policy(world: World) -> None:
    shown = world.sandbox("policy")
    assert "staging    violates no policy" in shown
    assert "0 violations" in shown
    assert "a new pr-N would violate no policy" in shown


def test_a_preview_beyond_its_bounds_is_stopped(world: World, number: int) -> None:
    stack = ["--stack", f"pr-{number}"]
    world.run("pulumi", "stack", "init", f"pr-{number}")
    world.run("pulumi", "config", "set", *stack, "--path", "previews:service.memory", "4096Mi")
    shown = world.sandbox("policy", fails=True)
    assert "[mandatory]  pod-bounded  (kubernetes:batch/v1:Job: prepare)" in shown
    assert "has 4096Mi memory in limits: expected at most 2Gi" in shown
    assert f"policies on pr-{number}" in shown
