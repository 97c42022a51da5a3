"""The policies, evaluated by the real engine on real stacks."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.world import World


def test_the_program_breaks_no_policy(world: World) -> None:
    shown = world.sandbox("policy")
    assert "staging    violates no policy" in shown
    assert "0 violations" in shown
    assert "a new pr-N would violate no policy" in shown


def test_up_refuses_a_preview_that_breaks_one(world: World, number: int) -> None:
    described = world.checkout / "preview.yaml"
    before = described.read_text()
    described.write_text(before.replace("    PORT: 8000", "    PORT: 8000\n    API_TOKEN: plain"))
    try:
        shown = world.sandbox("preview", str(number), fails=True)
    finally:
        described.write_text(before)
    assert (
        "policy no-secret-variable (Job migrate): container migrate: variable API_TOKEN"
        " has a plain value"
    ) in shown
    assert "infra/policies" in shown
    assert world.kubectl("get", "deployments", "--namespace", f"pr-{number}")["items"] == []


def test_a_preview_that_breaks_one_is_stopped(world: World, number: int, tmp_path: Path) -> None:
    """A size beyond its bounds would not get as far: the program refuses it by itself."""
    (tmp_path / "preview.yaml").write_text("service: {environment: {API_TOKEN: plain}}\n")
    config = {
        "source": str(tmp_path),
        "commit": 40 * "0",
        "repository": "acme/orders",
        "expires": "2030-01-31T12:00:00+00:00",
        "image": f"sha256:{64 * '0'}",
    }
    world.run("pulumi", "stack", "init", f"pr-{number}")
    for key, value in config.items():
        stack = ("--stack", f"pr-{number}", "--path")
        world.run("pulumi", "config", "set", *stack, f"previews:{key}", value)
    shown = world.sandbox("policy", fails=True)
    assert "[mandatory]  no-secret-variable  (kubernetes:apps/v1:Deployment: deployment)" in shown
    assert "variable API_TOKEN has a plain value" in shown
    assert f"policies on pr-{number}" in shown
