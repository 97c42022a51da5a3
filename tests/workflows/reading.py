"""The workflows and local actions as documents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.workflows.expressions import evaluate

PROJECT = Path(__file__).parents[2]
GITHUB = PROJECT / ".github"


class _Loader(yaml.SafeLoader):
    """YAML in which ``on`` is a word and not a truth, as GitHub reads it."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:bool"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))


def document(path: Path) -> dict[str, Any]:
    """A file as GitHub reads it."""
    return dict(yaml.load(path.read_text(), Loader=_Loader))


@dataclass(frozen=True)
class Job:
    """A job with the workflow that it is in."""

    workflow: str
    name: str
    body: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.workflow}:{self.name}"

    @property
    def steps(self) -> list[dict[str, Any]]:
        return list(self.body["steps"])

    @property
    def needs(self) -> list[str]:
        needs = self.body.get("needs", [])
        return [needs] if isinstance(needs, str) else list(needs)

    @property
    def environment(self) -> str | None:
        """The environment of the platform's own app; another app's is an input."""
        name = (self.body.get("environment") or {}).get("name")
        return None if name is None else evaluate(name, {})

    def uses(self, action: str) -> bool:
        return any(action in step.get("uses", "") for step in self.steps)


WORKFLOWS = {path.stem: document(path) for path in sorted((GITHUB / "workflows").glob("*.yml"))}
ACTIONS = {path.parent.name: document(path) for path in sorted(GITHUB.glob("actions/*/action.yml"))}
_ALL = [
    Job(workflow, name, body)
    for workflow, content in WORKFLOWS.items()
    for name, body in content["jobs"].items()
]
JOBS = [job for job in _ALL if "uses" not in job.body]
"""Jobs with steps."""

CALLS = [job for job in _ALL if "uses" in job.body]
"""Jobs that call a workflow of this repository."""


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every step of every workflow and local action, with where it is."""
    for job in JOBS:
        yield from ((str(job), step) for step in job.steps)
    for name, action in ACTIONS.items():
        yield from ((f"action {name}", step) for step in action["runs"]["steps"])


def lines_of_code() -> Iterator[tuple[Path, str]]:
    """Every line of every workflow and local action, comments included."""
    for path in [*GITHUB.glob("workflows/*.yml"), *GITHUB.glob("actions/*/action.yml")]:
        yield from ((path, line) for line in path.read_text().splitlines())
