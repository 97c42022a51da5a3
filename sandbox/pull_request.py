"""A pull request's preview on the sandbox: up, pushed to, destroyed."""

from __future__ import annotations

import time
from enum import StrEnum

import httpx
from rich.console import Console
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from infra.stack_name import StackName
from sandbox import branches, show, staging
from sandbox.errors import SandboxError
from sandbox.leftovers import leftovers
from sandbox.settings import Settings
from sandbox.stacks import Stacks

_FIRST_ANSWER_SECONDS = 30.0


def _stack(number: int) -> str:
    return str(StackName.parse(f"pr-{number}"))


class Mode(StrEnum):
    """Where the preview's data comes from (``previews:database.mode``)."""

    SNAPSHOT = "snapshot"
    BRANCH = "branch"


def preview(
    number: int,
    settings: Settings,
    stacks: Stacks,
    console: Console,
    mode: Mode | None = None,
) -> str:
    """Bring the preview up and wait until its URL answers.

    Args:
        number: Number of the pull request.
        settings: The sandbox.
        stacks: Its stacks.
        console: Where progress is told.
        mode: Where its data comes from; None for as it is, or the program's default.

    Returns:
        The preview's URL.

    Raises:
        SandboxError: When Pulumi fails or the URL does not answer.
    """
    staging.ensure(settings, stacks, console)
    if mode is Mode.BRANCH:
        branches.ensure(settings, stacks, console)
    return _up(number, settings, stacks, console, mode)


def push(number: int, settings: Settings, stacks: Stacks, console: Console) -> str:
    """Put the working tree onto a living preview; its database stays as it is.

    Raises:
        SandboxError: When there is no such preview, or as ``preview``.
    """
    stack = _stack(number)
    if not stacks.exists(stack):
        raise SandboxError(
            stack,
            why="there is no such preview to push to",
            remedy=f"bring it up first: make preview PR={number}.",
        )
    return _up(number, settings, stacks, console)


def _up(
    number: int,
    settings: Settings,
    stacks: Stacks,
    console: Console,
    mode: Mode | None = None,
) -> str:
    stack = _stack(number)
    began = time.monotonic()
    stacks.up(stack, config={} if mode is None else {"database.mode": mode.value})
    outputs = stacks.outputs(stack)
    url = str(outputs["url"])
    await_answer(url, settings)
    console.print(show.outputs_table(outputs))
    show.done(console, stack, f"answers after {time.monotonic() - began:.1f} s")
    return url


def await_answer(url: str, settings: Settings) -> None:
    """Wait for the first 200 of the preview's readiness, through the load balancer.

    The request goes to this machine by address with the preview's host name
    in it, since not every resolver knows names below ``localhost``.

    Raises:
        SandboxError: With the last answer, after 30 s.
    """
    host = httpx.URL(url).netloc.decode()
    ready = f"http://127.0.0.1:{settings.http_port}/health/ready"

    def answer(client: httpx.Client) -> str:
        try:
            response = client.get(ready, headers={"Host": host})
        except httpx.TransportError as error:
            return f"no answer ({error})"
        return "" if response.is_success else f"{response.status_code}: {response.text[:200]}"

    until_answered = Retrying(
        retry=retry_if_result(bool),
        stop=stop_after_delay(_FIRST_ANSWER_SECONDS),
        wait=wait_fixed(0.05),
    )
    with httpx.Client(timeout=5.0) as client:
        try:
            until_answered(answer, client)
        except RetryError as error:
            raise SandboxError(
                url,
                why=f"it is up, and does not answer with 200 within"
                f" {_FIRST_ANSWER_SECONDS:.0f} s; last: {error.last_attempt.result()}",
                remedy="read `sandbox logs node` and its pods' own logs:"
                " sandbox run -- kubectl get pods -A.",
            ) from error


def destroy(number: int, settings: Settings, stacks: Stacks, console: Console) -> None:
    """Remove the preview, then look for anything of it that is left.

    Raises:
        SandboxError: When Pulumi fails, or something is still there afterwards.
    """
    stack = _stack(number)
    began = time.monotonic()
    if stacks.exists(stack):
        stacks.destroy(stack)
    left = leftovers(stack, settings)
    if left:
        raise SandboxError(
            stack,
            why=f"still there after it was destroyed: {', '.join(left)}",
            remedy=f"run it again: make destroy PR={number}; what stays, remove by hand.",
        )
    show.done(console, stack, f"nothing is left of it ({time.monotonic() - began:.1f} s)")
