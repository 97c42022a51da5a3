"""The emulated AWS account as the supervisor runs it."""

from __future__ import annotations

import sys

from sandbox.aws.client import is_ready
from sandbox.aws.identity import PORT
from sandbox.process import Process
from sandbox.settings import Settings


def processes(settings: Settings) -> tuple[Process, ...]:
    """One process: the AWS APIs, and the database servers as its children."""

    def ready() -> str | None:
        return None if is_ready(settings) else f"{settings.aws_endpoint} to answer"

    return (
        Process(
            name="aws",
            argv=(sys.executable, "-m", "sandbox.aws.server"),
            ready=ready,
            env={
                # No EC2 instances here, so no images for them: they would be most of the state.
                "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
                # Freed memory goes back to the system instead of to one arena a thread.
                "MALLOC_ARENA_MAX": "2",
            },
            listens=((settings.aws_address, PORT),),
            # Every database gets its fast shutdown.
            stop_seconds=30.0,
        ),
    )
