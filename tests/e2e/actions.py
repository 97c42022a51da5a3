"""GitHub Actions on one machine: plays the repository's own workflows, a step after the other.

Commands run as they stand in the workflows' files, in checkouts of their own, with what the files
pass to them and no more. Provided from here is what needs GitHub's runners or AWS: tools and
credentials are the sandbox's, the image is built by the sandbox and pushed to its registry.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil

from tests.e2e import images
from tests.e2e.lifecycle import Lifecycle
from tests.e2e.world import git
from tests.workflows.expressions import evaluate, holds
from tests.workflows.reading import WORKFLOWS

_PASSED_BY_THE_WORKFLOW = ("GITHUB_TOKEN", "PULUMI_BACKEND_URL")
_BRANCH = "main"


@dataclass
class Run:
    """A run of a workflow.

    Attributes:
        id: Its id.
        workflow: The workflow's name.
        context: What its expressions may name.
        event: The event's JSON.
        results: How each job ended: success, failure, skipped, cancelled.
        said: What the commands printed.
        process: The command that runs now.
        cancelled: Whether its runner was lost.
    """

    id: int
    workflow: str
    context: dict[str, str]
    event: dict[str, Any]
    results: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None
    cancelled: bool = False
    thread: threading.Thread | None = None

    @property
    def conclusion(self) -> str:
        """As GitHub has it."""
        found = set(self.results.values())
        return next((bad for bad in ("cancelled", "failure") if bad in found), "success")

    def processes(self) -> list[psutil.Process]:
        """The command that runs now, with all below it."""
        assert self.process is not None
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]

    def wait(self) -> Run:
        """Wait for its end."""
        assert self.thread is not None
        self.thread.join()
        return self

    def passed(self) -> Run:
        """Wait for its end, which has to be a good one."""
        self.wait()
        assert self.conclusion == "success", f"{self.results}\n{''.join(self.said)}"
        return self


class Actions:
    """The runs of one repository.

    Attributes:
        began: Every step that ran, as (run, job, step), in the order in which they began.
    """

    def __init__(self, ci: Lifecycle, folder: Path) -> None:
        """Play nothing yet.

        Args:
            ci: The sandbox and the local GitHub.
            folder: For the checkouts of the jobs.
        """
        self.began: list[tuple[int, str, str]] = []
        self.runs: list[Run] = []
        self._ci = ci
        self._folder = folder
        self._ids = itertools.count(7000)
        self._queues: dict[str, list[object]] = {}
        self._changed = threading.Condition()

    def happen(self, name: str, action: str, number: int, **more: Any) -> list[Run]:
        """Something happens to a pull request; returns the runs that it starts.

        Args:
            name: ``pull_request`` or ``pull_request_target``.
            action: What happens: ``labeled``, ``synchronize``, ``closed`` …
            number: The pull request's number.
            more: Further fields of the event.
        """
        head = {"sha": self._ci.hub.state.pulls[number].head_sha}
        event = {
            "action": action,
            "pull_request": {"number": number, "head": head},
            "repository": {"default_branch": _BRANCH},
            **more,
        }
        context = {
            "github.event.pull_request.number": str(number),
            "github.event.pull_request.head.sha": head["sha"],
        }
        return [
            self._start(workflow, name, context, event)
            for workflow, content in WORKFLOWS.items()
            if workflow.startswith("preview") and action in _types(content, name)
        ]

    def started(self) -> list[Run]:
        """The runs that commands have started by ``workflow_dispatch`` meanwhile."""
        state = self._ci.hub.state
        with state.lock:
            asked, state.started[:] = [*state.started], []
        runs = []
        for file, ref, inputs in asked:
            assert ref == _BRANCH
            workflow = file.removesuffix(".yml")
            defined = WORKFLOWS[workflow]["on"]["workflow_dispatch"]["inputs"]
            defaults = {name: str(one.get("default", "")).lower() for name, one in defined.items()}
            given = defaults | inputs
            context = {f"inputs.{name}": value for name, value in given.items()}
            event = {"inputs": given, "repository": {"default_branch": _BRANCH}}
            runs.append(self._start(workflow, "workflow_dispatch", context, event))
        return runs

    def bring_up(self, action: str, number: int, **more: Any) -> Run:
        """An event under ``pull_request``, and the run with credentials that it starts."""
        for run in self.happen("pull_request", action, number, **more):
            run.passed()
        [started] = self.started()
        return started

    def waiting(self, group: str) -> int:
        """How many jobs wait for their turn in a concurrency group."""
        with self._changed:
            return max(len(self._queues.get(group, [])) - 1, 0)

    def reach(self, run: Run, stack: str, operations: int) -> None:
        """Wait until a run is so many operations on resources of a stack far."""
        thread = run.thread
        assert thread is not None
        self._ci.await_operations(stack, operations, over=lambda: not thread.is_alive())
        assert thread.is_alive(), f"{run.results}\n{''.join(run.said)}"

    @contextmanager
    def held(self, run: Run) -> Iterator[None]:
        """Hold a run where it is, so that what happens meanwhile does not depend on its speed."""
        processes = run.processes()
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()

    def lose(self, run: Run) -> None:
        """Lose the run's runner: everything in it is killed, and GitHub says so."""
        run.cancelled = True
        for process in run.processes():
            process.kill()
        run.wait()

    def steps_of(self, run: Run, job: str) -> list[str]:
        """The steps of a job that ran."""
        return [step for id_, of, step in self.began if (id_, of) == (run.id, job)]

    @cached_property
    def _variables(self) -> dict[str, str]:
        """What people set on the environments, from staging's outputs."""
        platform = self._ci.world.outputs("staging")["platform"]
        return {
            "vars.IMAGE_REPOSITORY": platform["repository_url"],
            "vars.PULUMI_BACKEND_URL": self._ci.environment(1)["PULUMI_BACKEND_URL"],
        }

    def _start(
        self, workflow: str, event_name: str, context: Mapping[str, str], event: dict[str, Any]
    ) -> Run:
        hub = self._ci.hub
        full = {
            **context,
            "github.event_name": event_name,
            "github.event.repository.default_branch": _BRANCH,
            "github.token": hub.environment["GITHUB_TOKEN"],
            "vars.IMAGE_REPOSITORY": self._ci.world.outputs("staging")["platform"][
                "repository_url"
            ],
            "vars.PULUMI_BACKEND_URL": self._ci.environment(1)["PULUMI_BACKEND_URL"],
        }
        run = Run(next(self._ids), workflow, full, event)
        hub.state.run(run.id)
        self.runs.append(run)
        run.thread = threading.Thread(target=self._play, args=(run,), daemon=True)
        run.thread.start()
        return run

    def _play(self, run: Run) -> None:
        try:
            for name, job in WORKFLOWS[run.workflow]["jobs"].items():
                run.results[name] = "failure"  # Until it is known to have ended otherwise.
                run.results[name] = self._job(run, name, job)
        finally:
            self._ci.hub.state.run(run.id, "completed", run.conclusion)

    def _job(self, run: Run, name: str, job: dict[str, Any]) -> str:
        needs = [job["needs"]] if "needs" in job else []
        if any(run.results[need] != "success" for need in needs):
            return "skipped"
        if not holds(str(job.get("if", "")), run.context):
            return "skipped"
        with self._turn(job.get("concurrency"), run.context), self._checkout(run) as folder:
            scope = dict(run.context)
            for key, value in job.get("env", {}).items():
                scope[f"env.{key}"] = evaluate(str(value), scope)
            outcomes = [self._step(run, name, job, step, scope, folder) for step in job["steps"]]
            for key, value in job.get("outputs", {}).items():
                run.context[f"needs.{name}.outputs.{key}"] = evaluate(value, scope)
        if run.cancelled:
            return "cancelled"
        return "failure" if "failure" in outcomes else "success"

    @contextmanager
    def _turn(self, concurrency: Any, context: Mapping[str, str]) -> Iterator[None]:
        """One after the other in the order in which they came; none is cancelled, none dropped."""
        if concurrency is None:
            yield
            return
        assert (concurrency["cancel-in-progress"], concurrency["queue"]) == (False, "max")
        group, ticket = evaluate(concurrency["group"], context), object()
        with self._changed:
            queue = self._queues.setdefault(group, [])
            queue.append(ticket)
            self._changed.wait_for(lambda: queue[0] is ticket)
        try:
            yield
        finally:
            with self._changed:
                queue.remove(ticket)
                self._changed.notify_all()

    @contextmanager
    def _checkout(self, run: Run) -> Iterator[Path]:
        """A folder for a job; what is in it is for its first step to say."""
        checkout = self._ci.world.checkout
        folder = self._folder / f"{run.id}-{len(self.began)}"
        try:
            with self._changed:
                git(checkout, "worktree", "add", "--quiet", "--detach", str(folder), _BRANCH)
            yield folder
        finally:
            with self._changed:
                git(checkout, "worktree", "remove", "--force", str(folder))

    def _step(
        self,
        run: Run,
        name: str,
        job: Mapping[str, Any],
        step: Mapping[str, Any],
        scope: dict[str, str],
        folder: Path,
    ) -> str:
        own = step.get("id", "")
        failed = scope.get("failed") == "true"
        if run.cancelled or not holds(str(step.get("if", "")), scope, failed=failed):
            scope[f"steps.{own}.outcome"] = "skipped"
            return "skipped"
        self.began.append((run.id, name, step["name"]))
        outputs = self._do(run, job, step, scope, folder)
        outcome = "failure" if outputs is None else "success"
        scope[f"steps.{own}.outcome"] = outcome
        scope |= {f"steps.{own}.outputs.{key}": value for key, value in (outputs or {}).items()}
        scope["failed"] = "true" if failed or outputs is None else ""
        return outcome

    def _do(
        self,
        run: Run,
        job: Mapping[str, Any],
        step: Mapping[str, Any],
        scope: Mapping[str, str],
        folder: Path,
    ) -> dict[str, str] | None:
        """What a step puts out; None where it failed."""
        uses = step.get("uses", "")
        given = {key: evaluate(str(value), scope) for key, value in step.get("with", {}).items()}
        if uses.startswith("actions/checkout@"):
            wanted = given.get("ref") or scope.get("github.event.pull_request.head.sha", _BRANCH)
            git(folder, "checkout", "--quiet", "--detach", wanted)
            return {}
        if uses == "$/.github/actions/image":
            repository, tag, commit = given["repository"], given["tag"], given["commit"]
            settings = self._ci.world.settings
            return {"digest": images.build_and_push(settings, folder, repository, tag, commit)}
        if uses == "$/.github/actions/tools" or step.get("run") == "make setup":
            return {}
        assert "run" in step, f"not played here: {uses}"
        return self._shell(run, {**job.get("env", {}), **step.get("env", {})}, step, scope, folder)

    def _shell(
        self,
        run: Run,
        passed: Mapping[str, Any],
        step: Mapping[str, Any],
        scope: Mapping[str, str],
        folder: Path,
    ) -> dict[str, str] | None:
        outputs, event = folder.with_suffix(".outputs"), folder.with_suffix(".json")
        outputs.write_text("")
        event.write_text(json.dumps(run.event))
        environment = {
            **self._ci.environment(run.id),
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_OUTPUT": str(outputs),
            "GITHUB_SERVER_URL": "https://github.test",
            "PREVIEWS_THROUGH": f"http://127.0.0.1:{self._ci.world.settings.http_port}",
            "PYTHONPATH": str(folder),
        }
        for name in (*_PASSED_BY_THE_WORKFLOW, "PREVIEWS_PROJECT"):
            environment.pop(name, None)
        environment |= {key: evaluate(str(value), scope) for key, value in passed.items()}
        run.process = subprocess.Popen(
            ["bash", "-e", "-c", step["run"]],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        said, _ = run.process.communicate()
        run.said.append(f"--- {step['name']}\n{said}")
        if run.process.returncode != 0:
            return None
        return dict(line.split("=", 1) for line in outputs.read_text().splitlines())


def _types(workflow: Mapping[str, Any], event: str) -> list[str]:
    return list((workflow["on"].get(event) or {}).get("types", []))
