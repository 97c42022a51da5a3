"""Figures of the whole: set-up, preview, push, no change, destroy, memory, both modes."""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from pathlib import Path

from bench import modes
from bench.modes import seconds
from bench.report import ROOT, Results
from tests.e2e.conftest import new_world
from tests.e2e.world import World

_RUNS = 3


def memory(world: World) -> float:
    """Return the proportional set size of the sandbox and its children, in MiB."""
    return sum(process.memory_full_info().pss for process in world.processes()) / 2**20


def previews(world: World, results: Results) -> None:
    """Measure preview, no change, push and destroy of a pull request, several times."""
    taken: dict[str, list[float]] = {"preview": [], "same": [], "push": [], "destroy": []}
    for run in range(_RUNS):
        taken["preview"].append(seconds(lambda: world.sandbox("preview", "43")))
        taken["same"].append(seconds(lambda: pulumi_up(world, "pr-43", world.checkout)))
        (world.checkout / "service" / "bench.py").write_text(f'"""Run {run}."""\n')
        taken["push"].append(seconds(lambda: world.sandbox("push", "43")))
        taken["destroy"].append(seconds(lambda: world.sandbox("destroy", "43")))
    results.add("preview", "warm `make preview` to the first 200", "s", taken["preview"], 20)
    results.add("push", "`make push` to the first 200", "s", taken["push"], 12)
    results.add("same", "`pulumi up` without changes", "s", taken["same"], 5)
    results.add("destroy", "`make destroy`", "s", taken["destroy"], 15)


def pulumi_up(world: World, stack: str, project: Path) -> None:
    """Run ``pulumi up`` as a person does, in the sandbox's environment."""
    world.run("pulumi", "up", "--cwd", str(project), "--stack", stack, "--yes", "--skip-preview")


def three_previews(world: World, results: Results) -> None:
    """Measure the memory with staging and three used previews."""
    for number in ("43", "44", "45"):
        world.sandbox("preview", number)
    what = "memory of the sandbox with staging and three previews (PSS)"
    results.add("memory", what, "MiB", [memory(world)], 1536)


def cold(results: Results, folder: Path) -> None:
    """Measure the README's first command on a new machine: nothing cached, all tools built."""
    clone, home = folder / "clone", folder / "home"
    home.mkdir()
    subprocess.run(["git", "clone", "--quiet", f"file://{ROOT}", clone], check=True)
    caches = ("GOCACHE", "GOMODCACHE", "SANDBOX_CACHE", "SANDBOX_HOME", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in caches}
    # Go's modules are read-only, which would prevent the deletion of the folder.
    environment |= {"HOME": str(home), "GOFLAGS": "-modcacherw"}

    def make(*arguments: str) -> None:
        subprocess.run(["make", *arguments], cwd=clone, env=environment, check=True)

    minutes = seconds(lambda: make("preview", "PR=42")) / 60
    make("reset")
    what = (
        "cold `make preview PR=42`: new clone, empty home folder, every tool built,"
        " staging brought up, first 200"
    )
    results.add("cold", what, "min", [minutes], 15)


def main() -> None:
    """Measure the figures and write the report."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--cold", action="store_true", help="take the cold set-up alone")
    arguments = parser.parse_args()
    results = Results.read()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        if arguments.cold:
            cold(results, folder)
            return
        with new_world(folder) as world:
            results.add(
                "staging",
                "`sandbox staging`, images built",
                "s",
                [seconds(lambda: world.sandbox("staging"))],
            )
            previews(world, results)
            three_previews(world, results)
            # Last, since it adds a server.
            modes.both(world, results, folder)


if __name__ == "__main__":
    main()
