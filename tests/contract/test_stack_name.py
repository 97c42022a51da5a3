"""Which stack names there are, and that every name made from one fits its place."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.stack_name import StackKind, StackName, StackNameError

COMMIT = "8f1d6c2e0b5a4937d1c0e2f3a4b5c6d7e8f90a1b"


@pytest.mark.parametrize(
    ("text", "kind", "pull_request"),
    [
        ("staging", StackKind.STAGING, None),
        ("pr-1", StackKind.PREVIEW, 1),
        ("pr-42", StackKind.PREVIEW, 42),
        ("pr-999999999", StackKind.PREVIEW, 999_999_999),
    ],
)
def test_a_known_name_is_parsed(text: str, kind: StackKind, pull_request: int | None) -> None:
    name = StackName.parse(text)
    assert (name.kind, name.pull_request, str(name)) == (kind, pull_request, text)
    assert StackName.find(text) == name


@pytest.mark.parametrize(
    ("text", "generation"), [("data-1", 1), ("data-42", 42), ("data-999999", 999_999)]
)
def test_a_server_of_templates_has_a_number(text: str, generation: int) -> None:
    name = StackName.parse(text)
    assert (name.kind, name.generation, name.pull_request) == (StackKind.DATA, generation, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "data-0",
        "data-",
        "data-1000000",
        "PR-42",
        "Staging",
        "production",
        "pr-",
        "pr-0",
        "pr-042",
        "pr--42",
        "pr-42 ",
        "pr-42\n",
        "pr-4_2",
        "pr-1000000000",
        "pr-٤٢",
        "staging-2",
        "my-pr-42",
        "x" * 70,
    ],
)
def test_any_other_name_is_refused_with_the_ones_that_are_accepted(text: str) -> None:
    with pytest.raises(StackNameError) as caught:
        StackName.parse(text)
    message = str(caught.value)
    assert repr(text) in message
    assert "`staging`" in message
    assert "`pr-<n>`" in message
    assert StackName.find(text) is None


def test_a_name_of_any_length_is_not_printed_whole() -> None:
    with pytest.raises(StackNameError) as caught:
        StackName.parse("x" * 5000)
    assert f"stack {'x' * 77 + '...'!r}: " in str(caught.value)
    for length, shown in ((80, "x" * 80), (81, "x" * 77 + "...")):
        with pytest.raises(StackNameError, match=f"stack {shown!r}: "):
            StackName.parse("x" * length)


@given(st.integers(min_value=1, max_value=999_999_999))
def test_what_is_made_from_a_name_fits_where_it_is_used(number: int) -> None:
    name = StackName.parse(f"pr-{number}")
    label = r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
    identifier = r"[a-z](-?[a-z0-9])*"
    for rds in (name.database_identifier, name.database_subnet_group, name.final_snapshot):
        assert re.fullmatch(identifier, rds)
        assert len(rds) <= 63
    assert re.fullmatch(label, name.namespace)
    assert re.fullmatch(r"[\w+=,.@-]{1,64}", name.secrets_role)
    assert len(name.database_security_group) <= 255
    assert not name.database_security_group.startswith("sg-")
    assert re.fullmatch(r"[A-Za-z0-9_][\w.-]{0,127}", name.image_tag(f"{COMMIT}-0123abcd"))
    assert len(name.host("d" * 200)) <= 253


@given(st.integers(1, 999_999_999), st.integers(1, 999_999_999))
def test_two_stacks_share_no_name(one: int, other: int) -> None:
    def made(number: int) -> set[str]:
        name = StackName.parse(f"pr-{number}")
        return {name.database_identifier, name.secrets_role, name.image_tag(COMMIT)}

    assert made(one).isdisjoint(made(other)) or one == other
    assert made(one).isdisjoint({"staging", "staging-secrets", f"staging-{COMMIT}"})


def test_it_is_read_without_pulumi() -> None:
    """The command lines around the program use it, and a second's import would show."""
    script = "import contract.stack_name, sys; sys.exit('pulumi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
