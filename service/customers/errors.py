"""What can be wrong with a request about customers."""

from __future__ import annotations

from http import HTTPStatus

from service.problems import Problem


class CustomerNotFoundError(Problem):
    """There is no customer with that id."""

    status = HTTPStatus.NOT_FOUND
    kind = "customer-not-found"
    title = "There is no such customer"


class EmailTakenError(Problem):
    """Another customer has that address."""

    status = HTTPStatus.CONFLICT
    kind = "email-taken"
    title = "Another customer has this e-mail address"
