"""One container of a Pod over all its runs: start, watch, end, start again."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import signal
from datetime import datetime

from sandbox.containers.runtime import START_FAILED, ContainerSpec
from sandbox.errors import SandboxError
from sandbox.kube import clock
from sandbox.kube.objects import key_of, uid_of
from sandbox.node import container_spec, environment, termination
from sandbox.node.backoff import Backoff
from sandbox.node.container_run import Cause, ContainerRun
from sandbox.node.grace import Grace
from sandbox.node.images import ImageMissingError, InvalidImageNameError, NodeImage
from sandbox.node.instance import Instance
from sandbox.node.logs import LogFile, older
from sandbox.node.pod_context import PodContext
from sandbox.node.records import ContainerRecord, Terminated
from sandbox.node.references import UnresolvedReferenceError
from sandbox.node.users import RefusedUserError

_LOG = logging.getLogger(__name__)
# A missing Secret or ConfigMap is looked for again: often enough for a person who just made it.
_CONFIG_RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0)


class _StoppedError(Exception):
    """The Pod ends; a container that does not run needs nothing more."""


class ContainerWorker:
    """Keeps one container as its restart policy says.

    Args:
        context: What the Pod's containers share.
        record: What the node reports of it.
        restart_policy: ``Always``, ``OnFailure`` or ``Never``.
    """

    def __init__(
        self, context: PodContext, record: ContainerRecord, *, restart_policy: str
    ) -> None:
        self._context = context
        self._policy = restart_policy
        self._grace: Grace | None = None
        self._stopping = asyncio.Event()
        self._run: ContainerRun | None = None
        self.record = record
        self.started = asyncio.Event()

    @property
    def log(self) -> LogFile | None:
        """The log of the run that goes on now."""
        return self._run.instance.log if self._run else None

    @property
    def finished(self) -> bool:
        """Whether its last run was its last."""
        return self.record.is_over(self._policy)

    def stop(self, grace: Grace) -> None:
        """Let it end within ``grace``; ``work`` returns when it has."""
        self._grace = grace
        self._stopping.set()
        if self._run:
            self._run.stop(grace)

    async def work(self) -> None:
        """Run the container until it is finished or stopped."""
        backoff = Backoff()
        try:
            while not self.finished:
                lasted = await self._once()
                if self._stopping.is_set() or self.finished:
                    return
                await self._back_off(backoff.after_failure(lasted=lasted))
        except _StoppedError:
            return

    async def _once(self) -> float:
        image = await self._image()
        spec = await self._spec(image)
        record = self.record
        if record.container_id:  # It has run before.
            record.restarts += 1
        if isinstance(record.state, Terminated):
            record.last = record.state
        record.image_id = image.image_id
        number = record.restarts
        identity = f"{uid_of(self._context.pod)}/{record.name}/{number}"
        record.container_id = f"process://{hashlib.sha256(identity.encode()).hexdigest()}"
        self._forget_logs(number - 2)
        self._event("Created", f"Created container: {record.name}")
        with self._context.images.use(image):
            return await self._start(spec, image)

    async def _start(self, spec: ContainerSpec, image: NodeImage) -> float:
        record = self.record
        begun = clock.now()
        try:
            log = LogFile(self._context.files.log(record.name, record.restarts))
            instance = await Instance.start(spec, log)
        except (SandboxError, OSError) as error:  # OSError: no process, file or memory left.
            self._did_not_start(str(error), begun)
            return 0.0
        self._run = ContainerRun(
            self._context,
            record,
            instance,
            self.started,
            str(image.config.get("StopSignal") or "SIGTERM"),
        )
        if self._grace:
            self._run.stop(self._grace)
        try:
            cause = await self._run.follow()
        finally:
            # When following failed, so that no process goes on that nobody knows.
            instance.signal(signal.SIGKILL)
        await self._close(self._run, cause, begun)
        return (clock.now() - begun).total_seconds()

    async def _close(self, run: ContainerRun, cause: Cause | None, begun: datetime) -> None:
        record = self.record
        code = (await run.instance.wait()).exit_code
        number = record.restarts
        log = run.instance.log.path
        error = termination.start_error(code, log)
        if error is not None:
            self._did_not_start(error, begun)
        else:
            text = termination.message(
                record.spec,
                exit_code=code,
                file=self._context.files.termination_message(record.name, number),
                log=log,
            )
            reason = "OOMKilled" if cause is Cause.MEMORY else "Error" if code else "Completed"
            record.ended(self._terminated(code, reason, text, begun))
        self._run = None
        self.started.clear()
        self._context.changed()

    def _did_not_start(self, why: str, begun: datetime) -> None:
        self.record.ended(self._terminated(START_FAILED, "StartError", why, begun))
        self._event("Failed", f"Error: {why}", warning=True)
        self._context.changed()

    def _terminated(self, code: int, reason: str, message: str, begun: datetime) -> Terminated:
        return Terminated(
            exit_code=code,
            reason=reason,
            message=message,
            started_at=begun,
            finished_at=clock.now(),
            container_id=self.record.container_id,
        )

    async def _image(self) -> NodeImage:
        name = self.record.spec["image"]
        backoff = Backoff()
        backoff.after_failure()
        while True:
            try:
                image = self._context.images.find(name)
            except InvalidImageNameError as error:
                self._waits("InvalidImageName", str(error), f"Failed: {error}")
            except ImageMissingError as error:
                self._waits("ErrImagePull", str(error), f'Failed to pull image "{name}": {error}')
            else:
                self._event("Pulled", f'Container image "{name}" already present on machine')
                return image
            delay = backoff.after_failure()
            await self._pause(1.0)  # Both states are seen, as on a real node.
            self._waits("ImagePullBackOff", f'Back-off pulling image "{name}": {self._message()}')
            self._event("BackOff", f'Back-off pulling image "{name}"')
            await self._pause(delay - 1.0)

    async def _spec(self, image: NodeImage) -> ContainerSpec:
        context, record = self._context, self.record
        attempt = 0
        while True:
            try:
                env = await environment.build(
                    context.pod,
                    record.spec,
                    address=context.address,
                    host=context.host,
                    references=context.references,
                )
                return container_spec.build(
                    context.pod,
                    record.spec,
                    image,
                    address=context.address,
                    env=env,
                    volumes=context.volumes.mounts(record.spec, env),
                    files=context.files,
                    run=record.restarts + bool(record.container_id),
                )
            except (UnresolvedReferenceError, RefusedUserError, ValueError) as error:
                self._waits("CreateContainerConfigError", str(error), f"Error: {error}")
            except (SandboxError, OSError) as error:  # OSError: of the container's files.
                self._waits("CreateContainerError", str(error), f"Error: {error}")
            await self._pause(_CONFIG_RETRY_SECONDS[min(attempt, len(_CONFIG_RETRY_SECONDS) - 1)])
            attempt += 1

    async def _back_off(self, delay: float) -> None:
        if not delay:
            return
        pod = self._context.pod
        what = f"restarting failed container={self.record.name} pod={key_of(pod)}"
        self._waits("CrashLoopBackOff", f"back-off {delay:g}s {what}")
        self._event("BackOff", f"Back-off {what}", warning=True)
        await self._pause(delay)

    def _waits(self, reason: str, message: str, event: str = "") -> None:
        self.record.waits(reason, message)
        self._context.changed()
        if event:
            self._event("Failed", event, warning=True)

    def _message(self) -> str:
        return getattr(self.record.state, "message", "")

    def _event(self, reason: str, message: str, *, warning: bool = False) -> None:
        self._context.event(self.record, reason, message, warning=warning)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return
        raise _StoppedError

    def _forget_logs(self, number: int) -> None:
        if number >= 0:
            files = self._context.files
            log = files.log(self.record.name, number)
            message = files.termination_message(self.record.name, number)
            for path in (log, older(log), message):
                path.unlink(missing_ok=True)
