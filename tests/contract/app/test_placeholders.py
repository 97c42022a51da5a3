"""Placeholders become what Kubernetes puts into a container, and nothing else does."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.app.placeholders import (
    IN_CLUSTER,
    PLACEHOLDERS,
    check_placeholders,
    fill,
    literals,
    placeholders,
    render,
    verbatim,
)
from tests.contract.expansion import expand

LOGIN = "$(PREVIEW_DATABASE_USER):$(PREVIEW_DATABASE_PASSWORD)"
VALUES = {name: f"<{name}>" for name in PLACEHOLDERS if name not in IN_CLUSTER} | {"tls": "require"}


@pytest.mark.parametrize(
    ("value", "rendered"),
    [
        ("plain", "plain"),
        ("{host}:{port}", "<host>:<port>"),
        ("{user}", "$(PREVIEW_DATABASE_USER)"),
        ("{pod_ip}", "$(PREVIEW_POD_IP)"),
        (
            "postgresql+asyncpg://{user}:{password}@{host}/{name}?{tls}",
            f"postgresql+asyncpg://{LOGIN}@<host>/<name>?ssl=require",
        ),
        (
            "postgresql+psycopg://{host}/{name}?{tls}",
            "postgresql+psycopg://<host>/<name>?sslmode=require",
        ),
        ("postgresql://{host}?{tls}", "postgresql://<host>?sslmode=require"),
        ('{{"key": "{host}"}}', '{"key": "<host>"}'),
        ("$(SECRET) $HOME", "$$(SECRET) $$HOME"),
        ("{Not} {a placeholder}", "{Not} {a placeholder}"),
    ],
)
def test_a_value_is_rendered(value: str, rendered: str) -> None:
    assert render(value, VALUES) == rendered


IN_CONTAINER = {variable: f"<{name}>" for name, variable in IN_CLUSTER.items()}
ON_THIS_MACHINE = VALUES | {name: f"<{name}>" for name in IN_CLUSTER}


@pytest.mark.parametrize(
    ("value", "received"),
    [
        ("pa$$word", "pa$$word"),
        ("$(date) $$(date) $$$(date)", "$(date) $$(date) $$$(date)"),
        ("$", "$"),
        ("${user}", "$<user>"),
        ("$${user}", "$$<user>"),
        ("$({user})", "$(<user>)"),
        ("$$(PREVIEW_DATABASE_PASSWORD)", "$$(PREVIEW_DATABASE_PASSWORD)"),
        ("$(PREVIEW_DATABASE_PASSWORD)", "$(PREVIEW_DATABASE_PASSWORD)"),
        ("${{x}}(PREVIEW_DATABASE_PASSWORD)", "${x}(PREVIEW_DATABASE_PASSWORD)"),
        ("{{password}}", "{password}"),
        ("{{{password}}}", "{<password>}"),
        ('{{"port": {port}}}', '{"port": <port>}'),
        ('{{"a": {{"port": {port}}}}}', '{"a": {"port": <port>}}'),
        ("{port}}}", "<port>}"),
        ("{port}}", "<port>}"),
        ("{po{{rt}", "{po{rt}"),
        ("{{ {app_url} }}", "{ <app_url> }"),
    ],
)
def test_a_container_gets_a_value_as_it_was_written(value: str, received: str) -> None:
    assert expand(render(value, VALUES), IN_CONTAINER) == received
    assert fill(value, ON_THIS_MACHINE) == received


@given(st.text(alphabet="${}()ua", max_size=12).map(lambda text: text.replace("a", "{user}")))
def test_a_container_gets_any_value_as_a_process_of_this_machine_does(value: str) -> None:
    """Only a placeholder becomes something else, and it becomes that everywhere."""
    if placeholders(value) <= IN_CLUSTER.keys():
        assert expand(render(value, VALUES), IN_CONTAINER) == fill(value, ON_THIS_MACHINE)


@given(st.text(alphabet="{}h", max_size=10).map(lambda text: text.replace("h", "host")))
def test_a_checked_placeholder_is_a_replaced_one(value: str) -> None:
    replaced = fill(value, dict.fromkeys(placeholders(value), "!"))
    assert ("!" in replaced) == bool(placeholders(value))
    assert fill(verbatim(value), {}) == value
    assert literals(value) == re.sub("!", "", replaced)


def test_a_value_of_the_program_can_t_refer_to_a_variable() -> None:
    """A branch's name or a host in a pull request's hands must not read a Secret's variable."""
    assert render("{commit}", {**VALUES, "commit": "$(PREVIEW_DATABASE_PASSWORD)"}) == (
        "$$(PREVIEW_DATABASE_PASSWORD)"
    )
    for before in ("$", "$$", "{user}$"):
        read = render(f"{before}{{commit}}", {"commit": "$(PREVIEW_DATABASE_PASSWORD)"})
        assert "<password>" not in expand(read, IN_CONTAINER)


def test_a_process_of_this_machine_gets_a_value_as_it_is() -> None:
    assert fill("{commit} {{x}} $(A) $HOME", {"commit": "$(B)"}) == "$(B) {x} $(A) $HOME"


def test_an_unknown_placeholder_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"A: \{hosst\} is no placeholder; known are \{host\}"):
        check_placeholders({"A": "{hosst}"})
    assert check_placeholders({"A": "{{hosst}}"})


def test_the_placeholders_of_a_value_are_found() -> None:
    assert placeholders("{user}@{host} {{name}}") == {"user", "host"}
