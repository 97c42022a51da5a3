"""A stack whose ``up`` does what a recorded one did, beside a GitHub on loopback."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from previews.clients import Clients
from previews.pulumi.command import CommandResult
from previews.pulumi.state import StackSummary
from previews.settings import Settings
from tests.contract.platform import PLATFORM
from tests.github import LocalGitHub
from tests.previews.memory_cluster import MemoryCluster
from tests.previews.world import MemoryStacks

LOGS = Path(__file__).parent / "events"
MIGRATIONS = Path(__file__).parent / "logs"
OUTPUTS: dict[str, Any] = {
    "url": "http://pr-42.preview.test",
    "commit": "a" * 40,
    "image": "registry.test/previews@sha256:" + "0" * 64,
    "databaseMode": "snapshot",
    "snapshot": "rds:staging-2026-11-25-03-45",
    "snapshotCreated": "2026-11-25T03:44:27Z",
    "expires": "2099-12-02T03:38:05Z",
}


def resource(kind: str, name: str = "it", **more: Any) -> dict[str, Any]:
    urn = f"urn:pulumi:pr-42::previews::{kind}::{name}"
    created = "2026-11-25T03:57:00Z"
    return {"urn": urn, "type": kind, "custom": True, "id": name, "created": created, **more}


def resources(outputs: dict[str, Any]) -> list[dict[str, Any]]:
    """What a preview's state holds, as much as is read of it."""
    container = {"resources": {"requests": {"cpu": "100m", "memory": "256Mi"}}}
    deployment = {"spec": {"replicas": 1, "template": {"spec": {"containers": [container]}}}}
    instance = {"instanceClass": "db.t4g.micro"}
    return [
        resource("pulumi:pulumi:Stack", custom=False, outputs=outputs),
        resource("aws:rds/instance:Instance", inputs=instance, outputs={"allocatedStorage": 20}),
        resource("kubernetes:apps/v1:Deployment", inputs=deployment),
    ]


@dataclass
class RecordedStacks(MemoryStacks):
    """Stacks whose ``up`` plays a recorded log of events."""

    play: list[str] = field(default_factory=lambda: ["first"])
    ups: list[list[str]] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    during: Callable[[], None] = lambda: None

    def create(self, stack: str) -> None:
        if stack not in self.known:
            self.known[stack] = StackSummary(name=stack)
            self.documents[stack] = {"version": 3, "deployment": {}}

    def outputs(self, stack: str) -> dict[str, Any]:
        return dict(self.state(stack).outputs)

    def remove_targets(self, stack: str, urns: Sequence[str]) -> None:
        self.targets += urns

    def attempt_up(self, stack: str, arguments: Sequence[str]) -> CommandResult:
        self.ups.append(list(arguments))
        log = self.play.pop(0)
        shutil.copy(LOGS / f"{log}.jsonl", arguments[arguments.index("--event-log") + 1])
        self.during()
        if log in {"migration", "crash"}:
            return CommandResult(1, "", "error: update failed")
        self.documents[stack] = {"version": 3, "deployment": {"resources": resources(OUTPUTS)}}
        return CommandResult(0, "", "")


def unreachable_cluster() -> MemoryCluster:
    return MemoryCluster(answers=False)


def logged_cluster(log: str) -> MemoryCluster:
    """Return a cluster in which only a migration has run, with this log."""
    cluster = MemoryCluster()
    pod = cluster.add("pods", "migrate-0123456789-abcde", "pr-42")
    cluster.logs[pod.name, False] = log.splitlines()
    return cluster


def clients(github: LocalGitHub, stacks: MemoryStacks, **settings: Any) -> Clients:
    from pydantic import SecretStr

    token = SecretStr(github.environment["GITHUB_TOKEN"])
    made = Clients(
        Settings(
            github_token=token,
            github_repository=github.state.repository,
            github_api_url=github.url,
            **settings,
        )
    )
    for name, value in {
        "stacks": stacks,
        "platform": PLATFORM,
        "cluster": unreachable_cluster(),
        # No account has this platform's load balancer; test_inbound.py looks at one.
        "check_inbound": lambda: None,
    }.items():
        made.__dict__[name] = value
    return made
