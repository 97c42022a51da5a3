"""What can be wrong with an idempotency key."""

from __future__ import annotations

from http import HTTPStatus

from service.problems import Problem


class KeyReusedError(Problem):
    """The key came with another request before."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    kind = "idempotency-key-reused"
    title = "The idempotency key was used for another request"

    def __init__(self) -> None:
        super().__init__("Choose a new key for a new request.")
