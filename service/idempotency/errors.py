"""Errors of idempotency keys."""

from __future__ import annotations

from http import HTTPStatus

from service.problems import Problem


class KeyReusedError(Problem):
    """Use of a key that another request had before."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    kind = "idempotency-key-reused"
    title = "The idempotency key was used for another request"

    def __init__(self) -> None:
        super().__init__("Choose a new key for a new request.")
