"""The steps of one job of a workflow, played in a checkout of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.e2e import images
from tests.e2e.lifecycle import Lifecycle
from tests.e2e.runs import Run
from tests.e2e.world import git
from tests.workflows.expressions import evaluate, holds

BRANCH = "main"
"""The default branch."""

_PASSED_BY_THE_WORKFLOW = ("GITHUB_TOKEN", "PULUMI_BACKEND_URL", "PREVIEWS_PROJECT")


class Steps:
    """Results of the steps so far.

    Attributes:
        failed: True if one of them failed.
    """

    def __init__(self, ci: Lifecycle, run: Run, job: Mapping[str, Any], folder: Path) -> None:
        """Play nothing yet.

        Args:
            ci: The sandbox and the local GitHub.
            run: The run that the job is of.
            job: The job, from the workflow's file.
            folder: A checkout of the repository.
        """
        self.failed = False
        self._ci = ci
        self._run = run
        self._job = job
        self._folder = folder
        self._scope = dict(run.context)
        for key, value in job.get("env", {}).items():
            self._scope[f"env.{key}"] = evaluate(str(value), self._scope)

    def outputs(self) -> dict[str, str]:
        """Return the job's outputs."""
        declared = self._job.get("outputs", {})
        return {key: evaluate(value, self._scope) for key, value in declared.items()}

    def wanted(self, step: Mapping[str, Any]) -> bool:
        """Return True if a step runs after the results so far."""
        wanted = not self._run.cancelled and holds(
            str(step.get("if", "")), self._scope, failed=self.failed
        )
        if not wanted:
            self._scope[f"steps.{step.get('id', '')}.outcome"] = "skipped"
        return wanted

    def play(self, step: Mapping[str, Any]) -> None:
        """Run a step, and remember how it ended and what it put out."""
        outputs = self._do(step)
        own = f"steps.{step.get('id', '')}"
        self._scope[f"{own}.outcome"] = "failure" if outputs is None else "success"
        self._scope |= {f"{own}.outputs.{key}": value for key, value in (outputs or {}).items()}
        self.failed = self.failed or outputs is None

    def _do(self, step: Mapping[str, Any]) -> dict[str, str] | None:
        """Run a step and return its outputs; None if it failed."""
        uses = step.get("uses", "")
        inputs = {key: self._evaluated(value) for key, value in step.get("with", {}).items()}
        if uses.startswith("actions/checkout@"):
            git(self._folder, "checkout", "--quiet", "--detach", inputs["ref"])
            return {}
        if uses == "$/.github/actions/image":
            context = {**self._scope, **{f"inputs.{key}": value for key, value in inputs.items()}}
            settings = self._ci.world.settings
            return {"digest": images.build_and_push(settings, self._folder, context)}
        if uses == "$/.github/actions/tools" or step.get("run") == "make setup":
            return {}
        assert "run" in step, f"not played here: {uses}"
        return self._shell(step)

    def _shell(self, step: Mapping[str, Any]) -> dict[str, str] | None:
        outputs = self._folder.with_suffix(".outputs")
        outputs.write_text("")
        self._run.process = subprocess.Popen(
            ["bash", "-e", "-c", step["run"]],
            cwd=self._folder,
            env=self._environment(step, outputs),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        output, _ = self._run.process.communicate()
        self._run.output.append(f"--- {step['name']}\n{output}")
        if self._run.process.returncode != 0:
            return None
        return _read(outputs.read_text())

    def _environment(self, step: Mapping[str, Any], outputs: Path) -> dict[str, str]:
        """The machine's and GitHub's own variables, and what the workflow passes."""
        event = self._folder.with_suffix(".json")
        event.write_text(json.dumps(self._run.event))
        environment = {
            **self._ci.environment(self._run.id),
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_OUTPUT": str(outputs),
            "GITHUB_SERVER_URL": self._scope["github.server_url"],
            "PREVIEWS_THROUGH": f"http://127.0.0.1:{self._ci.world.settings.http_port}",
            "PYTHONPATH": str(self._folder),
        }
        for name in _PASSED_BY_THE_WORKFLOW:
            environment.pop(name, None)
        passed = {**self._job.get("env", {}), **step.get("env", {})}
        return environment | {key: self._evaluated(value) for key, value in passed.items()}

    def _evaluated(self, value: Any) -> str:
        return evaluate(str(value), self._scope)


def _read(outputs: str) -> dict[str, str]:
    """Read a step's outputs: ``name=value``, or lines between ``name<<word`` and the word."""
    found: dict[str, str] = {}
    lines = iter(outputs.splitlines())
    for line in lines:
        name, several, word = line.partition("<<")
        if several and "=" not in name:
            found[name] = "\n".join(iter(lambda word=word: next(lines), word))  # type: ignore[misc]
        else:
            name, _, found[name] = line.partition("=")
    return found
