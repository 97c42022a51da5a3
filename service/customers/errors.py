"""Errors of requests about customers."""

from __future__ import annotations

from http import HTTPStatus

from service.problems import Problem


class CustomerNotFoundError(Problem):
    """Absence of a customer with the requested id."""

    status = HTTPStatus.NOT_FOUND
    kind = "customer-not-found"
    title = "There is no such customer"


class EmailTakenError(Problem):
    """Conflict with another customer that has the same email address."""

    status = HTTPStatus.CONFLICT
    kind = "email-taken"
    title = "Another customer has this e-mail address"
