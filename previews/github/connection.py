"""The connection to one repository on GitHub, with its failures explained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from ssl import SSLContext
from typing import Any, TypeVar

import httpx
from githubkit import GitHub as Kit
from githubkit import Response, TokenAuthStrategy
from githubkit.exception import (
    GitHubException,
    RateLimitExceeded,
    RequestFailed,
)
from githubkit.retry import RETRY_DEFAULT, RetryOption
from pydantic import BaseModel, ConfigDict, ValidationError

from previews.errors import NotFoundError, PreviewsError
from previews.settings import Settings

PAGE = 100
_TIMEOUT_SECONDS = 30
# A job that waits longer than this for its quota would rather be run again.
_LONGEST_WAIT = timedelta(seconds=60)
_NOT_FOUND = 404
_DENIED = frozenset({401, 403})

_Response = TypeVar("_Response", bound=BaseModel)


@cache
def _authorities() -> SSLContext:
    """Return the trusted authorities, loaded once: each load takes 20 ms or more."""
    return httpx.create_ssl_context()


class Model(BaseModel):
    """The base of responses: only the declared fields are read, others may change."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Connection:
    """Requests about one repository, with one token."""

    def __init__(self, settings: Settings, *, retry: bool = True) -> None:
        """Connect at the first request.

        Args:
            settings: Token, repository and address.
            retry: Retry a response of 5xx, or after a short wait for the quota.

        Raises:
            PreviewsError: Token or repository is not set.
        """
        if not settings.github_token.get_secret_value():
            raise PreviewsError(
                "github-token",
                "GITHUB_TOKEN",
                why="it is not set",
                remedy="in a workflow: `env: {GITHUB_TOKEN: ${{ github.token }}}`;"
                " at home: export GITHUB_TOKEN=$(gh auth token).",
            )
        if not settings.github_repository:
            raise PreviewsError(
                "github-repository",
                "GITHUB_REPOSITORY",
                why="it is not set",
                remedy="export GITHUB_REPOSITORY=owner/name.",
            )
        self.repository = settings.github_repository
        self.owner, _, self.name = settings.github_repository.partition("/")
        self.kit: Kit[TokenAuthStrategy] = Kit(
            settings.github_token.get_secret_value(),
            base_url=settings.github_api_url,
            timeout=_TIMEOUT_SECONDS,
            # What is read decides what is deleted: it is always read afresh.
            http_cache=False,
            ssl_verify=_authorities(),
            auto_retry=_retry if retry else False,
        )

    def request(self, what: str, call: Callable[..., Response[Any, Any]], **arguments: Any) -> Any:
        """Send one request; return the JSON of its response.

        It is about the repository, unless its arguments name another owner and name.

        Args:
            what: The requested resource, as a failure names it.
            call: A method of githubkit that takes owner and repository first.
            arguments: Its other arguments.

        Raises:
            NotFoundError: It does not exist, or the token may not read it.
            PreviewsError: There is no usable response.
        """
        return _document(what, self._respond(what, call, arguments))

    def send(self, what: str, call: Callable[..., Response[Any, Any]], **arguments: Any) -> None:
        """Send one request whose response is empty; otherwise as `request`."""
        self._respond(what, call, arguments)

    def each(
        self, what: str, call: Callable[..., Response[Any, Any]], *, key: str = "", **arguments: Any
    ) -> Iterator[Any]:
        """Yield every item of a list, with a request for each page.

        Args:
            what: As in `request`.
            call: As in `request`; it takes ``page`` and ``per_page``.
            key: The property with the list, if the response is an object.
            arguments: As in `request`.
        """
        page = 1
        while True:
            response = self._respond(what, call, {**arguments, "per_page": PAGE, "page": page})
            yield from _listed(what, _document(what, response), key)
            if "next" not in response.raw_response.links:
                return
            page += 1

    def _respond(
        self, what: str, call: Callable[..., Response[Any, Any]], arguments: dict[str, Any]
    ) -> Response[Any, Any]:
        try:
            return call(**({"owner": self.owner, "repo": self.name} | arguments))
        except GitHubException as error:
            raise self._explain(what, error) from error

    def _explain(self, what: str, error: GitHubException) -> PreviewsError:
        if isinstance(error, RateLimitExceeded):
            return PreviewsError(
                "github-quota",
                what,
                why=f"GitHub's quota is used up for another {error.retry_after}",
                remedy="run it again after that; nothing was changed.",
            )
        if not isinstance(error, RequestFailed):
            return PreviewsError(
                "github-unreachable",
                what,
                why=f"GitHub at {self.kit.config.base_url} does not respond: {error!r}",
                remedy="see https://www.githubstatus.com and run it again; without a response"
                " nothing is decided and nothing is deleted.",
            )
        status = error.response.status_code
        if status == _NOT_FOUND:
            return NotFoundError(
                "github-not-found",
                what,
                why=f"{self.repository} has none, or the token may not read it",
                remedy="check the number, GITHUB_REPOSITORY and the job's `permissions`.",
            )
        if status in _DENIED:
            return PreviewsError(
                "github-denied",
                what,
                why=f"GitHub responds with {status}: {_message(error)}",
                remedy="check the token and the job's `permissions` in the workflow.",
            )
        return PreviewsError(
            "github-refused",
            what,
            why=f"GitHub responds with {status}: {_message(error)}",
            remedy="run it again; if it fails again, see https://www.githubstatus.com.",
        )


def read(model: type[_Response], what: str, response: object) -> _Response:
    """Return the validated model of a response.

    Raises:
        PreviewsError: It does not match GitHub's schema.
    """
    try:
        return model.model_validate(response)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise _unknown_form(what, wrong) from error


def _document(what: str, response: Response[Any, Any]) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise _unknown_form(what, f"no JSON: {response.text[:80]!r}") from error


def _listed(what: str, document: Any, key: str) -> list[Any]:
    found = document.get(key) if key and isinstance(document, dict) else document
    if not isinstance(found, list):
        raise _unknown_form(what, f"expected a list, got {str(document)[:80]!r}")
    return found


def _unknown_form(what: str, why: str) -> PreviewsError:
    return PreviewsError(
        "github-answer",
        what,
        why=f"GitHub's response has an unknown form ({why})",
        remedy="check GITHUB_API_URL; nothing is decided on an unreadable response.",
    )


def _retry(error: GitHubException, count: int) -> RetryOption:
    if isinstance(error, RateLimitExceeded) and error.retry_after > _LONGEST_WAIT:
        return RetryOption(do_retry=False)
    return RETRY_DEFAULT(error, count)


def _message(error: RequestFailed) -> str:
    try:
        return str(error.response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return error.response.text[:200]
