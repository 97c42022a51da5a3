"""What the containers of one Pod share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.kube.events import Recorder
from sandbox.kube.objects import Object
from sandbox.node import downward
from sandbox.node.container_spec import PodFiles
from sandbox.node.handlers import Handlers
from sandbox.node.images import Images
from sandbox.node.records import ContainerRecord
from sandbox.node.references import References
from sandbox.node.volumes import Volumes


@dataclass(frozen=True)
class PodContext:
    """One Pod's surroundings.

    Attributes:
        pod: The Pod, as it was when it came to the node.
        address: Its address.
        host: What it may see of the node.
        files: Its files.
        volumes: Its volumes.
        images: Where images come from.
        references: Reads of its namespace.
        handlers: Carries out probes and hooks.
        events: Takes its Events.
        changed: Called when something that its status shows has changed.
    """

    pod: Object
    address: str
    host: downward.Host
    files: PodFiles
    volumes: Volumes
    images: Images
    references: References
    handlers: Handlers
    events: Recorder
    changed: Callable[[], None]

    def event(
        self, record: ContainerRecord, reason: str, message: str, *, warning: bool = False
    ) -> None:
        """Tell something of one of the containers."""
        tell = self.events.warning if warning else self.events.normal
        tell(self.pod, reason, message, record.field_path)

    @property
    def grace_seconds(self) -> float:
        """``terminationGracePeriodSeconds``."""
        seconds = self.pod["spec"].get("terminationGracePeriodSeconds")
        return 30.0 if seconds is None else float(seconds)
