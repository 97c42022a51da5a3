"""The steps of one job of a workflow, played in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.e2e.lifecycle import Lifecycle
from tests.e2e.machine import Machine
from tests.e2e.runs import Run
from tests.workflows.expressions import evaluate, holds

BRANCH = "main"
"""The default branch."""

_PASSED_BY_THE_WORKFLOW = ("GITHUB_TOKEN", "PULUMI_BACKEND_URL", "PREVIEWS_PROJECT")
_OF_EVERY_MACHINE = ("PATH", "HOME", "TMPDIR", "LANG", "COLUMNS")


class Steps:
    """Results of the steps so far.

    Attributes:
        failed: True if one of them failed.
    """

    def __init__(self, ci: Lifecycle, run: Run, job: Mapping[str, Any], machine: Machine) -> None:
        """Start nothing.

        Args:
            ci: The sandbox and the local GitHub.
            run: The run that the job is of.
            job: The job, from the workflow's file.
            machine: The machine that it runs on.
        """
        self.failed = False
        self._ci = ci
        self._run = run
        self._job = job
        self._machine = machine
        # A job that runs although the run was cancelled is not cut off.
        self._cancelled_before = run.cancelled
        self._scope = {**run.context, "github.workspace": str(machine.folder)}
        for key, value in job.get("env", {}).items():
            self._scope[f"env.{key}"] = evaluate(str(value), self._scope)

    @property
    def cancelled(self) -> bool:
        """True if the run was cancelled while the job ran."""
        return self._run.cancelled and not self._cancelled_before

    def outputs(self) -> dict[str, str]:
        """Return the job's outputs."""
        declared = self._job.get("outputs", {})
        return {key: evaluate(value, self._scope) for key, value in declared.items()}

    def wanted(self, step: Mapping[str, Any]) -> bool:
        """Return True if a step runs after the results so far."""
        condition = str(step.get("if", ""))
        wanted = not self._run.lost and holds(
            condition, self._scope, failed=self.failed, cancelled=self.cancelled
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
        passes = step.get("continue-on-error", False)
        self.failed = self.failed or (outputs is None and not passes)

    def _do(self, step: Mapping[str, Any]) -> dict[str, str] | None:
        """Run a step and return its outputs; None if it failed."""
        if "uses" in step:
            given = step.get("with", {})
            inputs = {key: self._evaluated(value) for key, value in given.items()}
            outputs = self._machine.play(step["uses"], inputs)
            self._run.output.append(f"--- {step['name']}: {outputs}\n")
            return outputs
        if step["run"] == "make setup":
            return {}
        return self._shell(step)

    def _shell(self, step: Mapping[str, Any]) -> dict[str, str] | None:
        outputs = self._machine.folder.with_suffix(".outputs")
        outputs.write_text("")
        self._run.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self._machine.folder,
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
        event = self._machine.folder.with_suffix(".json")
        event.write_text(json.dumps(self._run.event))
        environment = self._own_environment()
        environment |= {
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_OUTPUT": str(outputs),
            "GITHUB_RUN_ATTEMPT": self._scope["github.run_attempt"],
            "GITHUB_SERVER_URL": self._scope["github.server_url"],
            "PATH": f"{self._machine.programs}{os.pathsep}{environment['PATH']}",
            "PREVIEWS_THROUGH": f"http://127.0.0.1:{self._ci.world.settings.http_port}",
            "PYTHONPATH": str(self._machine.folder),
        }
        passed = {**self._job.get("env", {}), **step.get("env", {})}
        return environment | {key: self._evaluated(value) for key, value in passed.items()}

    def _own_environment(self) -> dict[str, str]:
        """A machine's environment; only a job that takes a role has the sandbox's clients."""
        environment = self._ci.environment(self._run.id)
        if self._job["permissions"].get("id-token") != "write":
            environment = {
                name: value
                for name, value in environment.items()
                if name in _OF_EVERY_MACHINE or name.startswith("GITHUB_")
            }
        return {
            name: value
            for name, value in environment.items()
            if name not in _PASSED_BY_THE_WORKFLOW
        }

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
