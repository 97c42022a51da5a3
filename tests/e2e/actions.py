"""GitHub Actions on one machine: plays the repository's own workflows, a step after the other.

Commands run as they are in the workflows' files, in checkouts of their own, with what the files
pass to them and no more: each job has a token of its own, which may do what its permissions grant.
Provided from here is what needs GitHub's runners or AWS (machine.py).
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.lifecycle import REPOSITORY, Lifecycle
from tests.e2e.machine import Machine, write_programs
from tests.e2e.runs import Run
from tests.e2e.steps import BRANCH, Steps
from tests.workflows.expressions import evaluate, holds
from tests.workflows.reading import WORKFLOWS


class Actions:
    """The runs of one repository.

    Attributes:
        began: Every step that ran, as (run, job, step), in the order in which they began.
    """

    def __init__(self, ci: Lifecycle, folder: Path) -> None:
        """Start nothing.

        Args:
            ci: The sandbox and the local GitHub.
            folder: Folder of the jobs' checkouts.
        """
        self.began: list[tuple[int, str, str]] = []
        self._ci = ci
        self._folder = folder
        self._ids = itertools.count(7000)
        self._queues: dict[str, list[_Ticket]] = {}
        self._changed = threading.Condition()
        write_programs(folder)

    def happen(self, name: str, action: str, number: int, **more: Any) -> list[Run]:
        """Something happens to a pull request; returns the runs that it starts.

        Args:
            name: ``pull_request_target``.
            action: Event: ``labeled``, ``synchronize``, ``closed`` …
            number: The pull request's number.
            more: Further fields of the event.
        """
        head = {"sha": self._ci.hub.state.pulls[number].head_sha}
        event = {
            "action": action,
            "pull_request": {"number": number, "head": head},
            "repository": {"default_branch": BRANCH},
            **more,
        }
        context = {"github.event.pull_request.number": str(number)}
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
            assert ref == BRANCH
            workflow = file.removesuffix(".yml")
            defined = WORKFLOWS[workflow]["on"]["workflow_dispatch"]["inputs"]
            defaults = {name: str(one.get("default", "")).lower() for name, one in defined.items()}
            given = defaults | inputs
            context = {f"inputs.{name}": value for name, value in given.items()}
            event = {"inputs": given, "repository": {"default_branch": BRANCH}}
            runs.append(self._start(workflow, "workflow_dispatch", context, event))
        return runs

    def bring_up(self, action: str, number: int, **more: Any) -> Run:
        """Something happens by which a preview comes up; returns the run."""
        [run] = self.happen("pull_request_target", action, number, **more)
        assert run.workflow == "preview"
        return run

    def waiting(self, group: str) -> int:
        """Return the number of jobs that wait in a concurrency group."""
        with self._changed:
            return sum(ticket.waits for ticket in self._queues.get(group, []))

    @contextmanager
    def held(self, group: str) -> Iterator[None]:
        """Let no further job of a concurrency group begin; one that runs goes on."""
        hold = _Ticket(waits=False)
        with self._changed:
            self._queues.setdefault(group, []).append(hold)
        try:
            yield
        finally:
            self._leave(group, hold)

    def reach(self, run: Run, stack: str, operations: int) -> None:
        """Wait until a run is so many operations on resources of a stack far."""
        thread = run.thread
        assert thread is not None
        self._ci.await_operations(stack, operations, over=lambda: not thread.is_alive())
        assert thread.is_alive(), f"{run.results}\n{''.join(run.output)}"

    def steps_of(self, run: Run, job: str) -> list[str]:
        """The steps of a job that ran."""
        return [step for id_, of, step in self.began if (id_, of) == (run.id, job)]

    def _start(
        self, workflow: str, event_name: str, context: Mapping[str, str], event: dict[str, Any]
    ) -> Run:
        hub, run_id = self._ci.hub, next(self._ids)
        full = {
            **context,
            "github.event_name": event_name,
            "github.event.repository.default_branch": BRANCH,
            "github.repository": REPOSITORY,
            "github.run_attempt": "1",
            "github.run_id": str(run_id),
            "github.server_url": "https://github.test",
            "job.workflow_sha": BRANCH,
            "job.workflow_repository": REPOSITORY,
            "vars.PULUMI_BACKEND_URL": self._ci.environment(run_id)["PULUMI_BACKEND_URL"],
        }
        run = Run(run_id, workflow, full, event)
        hub.state.run(run.id)
        run.thread = threading.Thread(target=self._play, args=(run,), daemon=True)
        run.thread.start()
        return run

    def _play(self, run: Run) -> None:
        try:
            for name, job in WORKFLOWS[run.workflow]["jobs"].items():
                run.results[name] = "failure"  # Until it ends otherwise.
                run.results[name] = self._job(run, name, job)
                run.context[f"needs.{name}.result"] = run.results[name]
        finally:
            self._ci.hub.state.run(run.id, "completed", run.conclusion)

    def _job(self, run: Run, name: str, job: dict[str, Any]) -> str:
        needs = job.get("needs", [])
        needs = [needs] if isinstance(needs, str) else needs
        lacking = any(run.results[need] != "success" for need in needs)
        condition = str(job.get("if", ""))
        if run.lost:
            return "cancelled"
        if not holds(condition, run.context, failed=lacking, cancelled=run.cancelled):
            return "cancelled" if run.cancelled and not lacking else "skipped"
        with self._turn(job.get("concurrency"), run.context), self._machine(run) as machine:
            steps = self._steps(run, name, job, machine)
            for step in job["steps"]:
                if steps.wanted(step):
                    self.began.append((run.id, name, step["name"]))
                    steps.play(step)
            run.context |= {f"needs.{name}.outputs.{k}": v for k, v in steps.outputs().items()}
        if steps.cancelled:
            return "cancelled"
        return "failure" if steps.failed else "success"

    def _steps(self, run: Run, name: str, job: dict[str, Any], machine: Machine) -> Steps:
        token = f"token-of-{run.id}-{name}"
        self._ci.hub.state.add_job_token(token, job["permissions"])
        run.context["github.token"] = token
        env = WORKFLOWS[run.workflow].get("env", {})
        whole = {**job, "env": {**env, **job.get("env", {})}}
        return Steps(self._ci, run, whole, machine)

    @contextmanager
    def _turn(self, concurrency: Any, context: Mapping[str, str]) -> Iterator[None]:
        """One after the other in the order in which they came; none is cancelled, none dropped."""
        if concurrency is None:
            yield
            return
        assert (concurrency["cancel-in-progress"], concurrency["queue"]) == (False, "max")
        group, ticket = evaluate(concurrency["group"], context), _Ticket()
        with self._changed:
            queue = self._queues.setdefault(group, [])
            queue.append(ticket)
            self._changed.wait_for(lambda: queue[0] is ticket)
            ticket.waits = False
        try:
            yield
        finally:
            self._leave(group, ticket)

    def _leave(self, group: str, ticket: _Ticket) -> None:
        with self._changed:
            self._queues[group].remove(ticket)
            self._changed.notify_all()

    @contextmanager
    def _machine(self, run: Run) -> Iterator[Machine]:
        """A machine for a job, with an empty folder, which its steps fill."""
        folder = self._folder / f"{run.id}-{len(self.began)}"
        folder.mkdir()
        machine = Machine(self._ci, run, folder, self._folder)
        try:
            yield machine
        finally:
            machine.end()


@dataclass(eq=False)
class _Ticket:
    """A place in the queue of a concurrency group.

    Attributes:
        waits: True until its job begins.
    """

    waits: bool = True


def _types(workflow: Mapping[str, Any], event: str) -> list[str]:
    return list((workflow["on"].get(event) or {}).get("types", []))
