"""Process of the emulated AWS account."""

from __future__ import annotations

import sys

from sandbox.aws.client import is_ready
from sandbox.aws.identity import PORT
from sandbox.process import Process
from sandbox.settings import Settings


def processes(settings: Settings) -> tuple[Process, ...]:
    """Return the one process of the AWS APIs; the database servers are its children."""

    def ready() -> str | None:
        return None if is_ready(settings) else f"{settings.aws_endpoint} to answer"

    return (
        Process(
            name="aws",
            argv=(sys.executable, "-m", "sandbox.aws.server"),
            ready=ready,
            env={
                # There are no EC2 instances, and their images would be most of the state.
                "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
                # Return freed memory to the system instead of one arena per thread.
                "MALLOC_ARENA_MAX": "2",
            },
            listens=((settings.aws_address, PORT),),
            # Time for a fast shutdown of each database.
            stop_seconds=30.0,
        ),
    )
