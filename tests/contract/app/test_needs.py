"""Services that an app needs: declared with or without settings, and their placeholders."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from contract.app.model import App
from contract.app.needs import Bucket, Mail, Needs, Redis
from contract.app.placeholders import NEED_OF, PLACEHOLDERS
from contract.app.read import AppFileError, parse_app

FILE = Path("orders/preview.yaml")


def refused(text: str) -> AppFileError:
    with pytest.raises(AppFileError) as error:
        parse_app(FILE, text.encode())
    return error.value


def test_a_key_alone_is_a_need_with_its_defaults() -> None:
    app = parse_app(FILE, b"needs:\n  redis:\n  mail: {}\n  bucket:\n")
    assert app.needs == Needs(redis=Redis(), mail=Mail(), bucket=Bucket())
    assert app.needs.declared == {"redis", "mail", "bucket"}


def test_an_app_has_no_needs_unless_it_says_so() -> None:
    assert App().needs.declared == frozenset()


@pytest.mark.parametrize(
    ("text", "problem", "snippet"),
    [
        ("needs:\n  redis: {memory: 1G}", "line 2: needs.redis.memory is wrong", "memory: 64Mi"),
        ("needs:\n  rediss:", "known here are bucket, mail, redis", ""),
        ("needs:\n  mail: {relay: x}", "line 2: needs.mail.relay is not a key", ""),
        ("needs: [redis]", "line 1: needs is wrong", "needs:\n  redis: {}"),
        ("needs:\n  mail:\nservice:\n  path: /_mail", "path /_mail leads to two services", ""),
    ],
)
def test_a_wrong_need_is_refused(text: str, problem: str, snippet: str) -> None:
    error = refused(text)
    assert problem in str(error)
    assert snippet in error.snippet


@pytest.mark.parametrize(("placeholder", "need"), NEED_OF.items())
def test_a_placeholder_is_known_where_its_need_is_declared(placeholder: str, need: str) -> None:
    text = f'service:\n  environment:\n    A: "{{{placeholder}}}"\n'
    error = refused(text)
    assert error.problems == (
        f"line 3: service.environment.A: {{{placeholder}}} is known where `needs` has `{need}`",
    )
    app = parse_app(FILE, f"{text}{error.snippet}\n".encode())
    assert app.needs.declared == {need}


def test_all_missing_needs_are_shown_at_once() -> None:
    error = refused(
        """
workers:
  w: { command: x, environment: { Q: "{redis_url}/1" } }
web:
  f: { path: /f, image: {}, environment: { M: "{mail_url}", B: "{{bucket}}" } }
"""
    )
    [problem] = error.problems
    assert problem.startswith("line 3: workers.w.environment.Q: {redis_url} is known where")
    assert "web.f.environment.M: {mail_url} is known where `needs` has `mail`" in problem
    assert yaml.safe_load(error.snippet) == {"needs": {"mail": {}, "redis": {}}}


def test_every_placeholder_of_a_need_is_documented() -> None:
    assert NEED_OF.keys() <= PLACEHOLDERS.keys()
    assert set(NEED_OF.values()) == Needs.model_fields.keys()
