"""Placeholders become what Kubernetes puts into a container, and nothing else does."""

from __future__ import annotations

import pytest

from contract.app.placeholders import (
    IN_CLUSTER,
    PLACEHOLDERS,
    check_placeholders,
    fill,
    placeholders,
    render,
)

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
        ("$(SECRET) $HOME", "$$(SECRET) $HOME"),
        ("{Not} {a placeholder}", "{Not} {a placeholder}"),
    ],
)
def test_a_value_is_rendered(value: str, rendered: str) -> None:
    assert render(value, VALUES) == rendered


def test_a_value_of_the_program_can_t_refer_to_a_variable() -> None:
    """A branch's name or a host in a pull request's hands must not read a Secret's variable."""
    assert render("{commit}", {**VALUES, "commit": "$(PREVIEW_DATABASE_PASSWORD)"}) == (
        "$$(PREVIEW_DATABASE_PASSWORD)"
    )


def test_a_process_of_this_machine_gets_a_value_as_it_is() -> None:
    assert fill("{commit} {{x}} $(A) $HOME", {"commit": "$(B)"}) == "$(B) {x} $(A) $HOME"


def test_an_unknown_placeholder_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"A: \{hosst\} is no placeholder; known are \{host\}"):
        check_placeholders({"A": "{hosst}"})
    assert check_placeholders({"A": "{{hosst}}"})


def test_the_placeholders_of_a_value_are_found() -> None:
    assert placeholders("{user}@{host} {{name}}") == {"user", "host"}
