"""Which stack names there are, and that every name made from one fits its place."""

from __future__ import annotations

import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.stack_name import (
    BRANCH_PATTERN,
    DATA_GLOB,
    PREVIEW_GLOB,
    PREVIEW_PATTERN,
    StackKind,
    StackName,
    StackNameError,
)

ROOT = Path(__file__).resolve().parents[2]
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


@pytest.mark.parametrize(
    ("workflow", "stack"), [("staging.yml", "staging"), ("preview.yml", "pr-42")]
)
def test_ci_tags_images_like_the_program(workflow: str, stack: str) -> None:
    """The unprivileged build runs no code of ours, so its workflow composes the tag itself."""
    text = (ROOT / ".github/workflows" / workflow).read_text()
    # Staging builds two images, each in a repository of its own.
    (tag,) = set(re.findall(r"^ +tag: (.+)$", text, re.MULTILINE))
    number = re.sub(r"\$\{\{ env\.PULL_REQUEST \}\}", "42", tag)
    composed = re.sub(r"\$\{\{ (github\.sha|needs\.decide\.outputs\.sha) \}\}", COMMIT, number)
    assert composed == StackName.parse(stack).image_tag(COMMIT)


@pytest.mark.parametrize("commit", [COMMIT, COMMIT[:7], f"{COMMIT}-0123abcd"])
def test_an_image_tag_leads_back_to_its_preview(commit: str) -> None:
    name = StackName.parse("pr-42")
    assert StackName.of_image_tag(name.image_tag(commit)) == name


@pytest.mark.parametrize(
    "tag",
    [
        StackName.parse("staging").image_tag(COMMIT),
        StackName.parse("data-8").image_tag(COMMIT),
        "pr-42",
        "pr-42-latest",
        "pr-0-8f1d6c2",
        "pr-42-8f1d6c",
        "latest",
    ],
)
def test_another_tag_is_of_no_preview(tag: str) -> None:
    assert StackName.of_image_tag(tag) is None


def test_names_on_a_shared_server() -> None:
    name = StackName.parse("pr-42")
    assert (name.branch, name.branch_migrator, name.branch_app) == (
        "pr_42",
        "pr_42_migrator",
        "pr_42_app",
    )
    assert re.fullmatch(BRANCH_PATTERN, name.branch)
    assert re.fullmatch(PREVIEW_PATTERN, name.value)


@pytest.mark.parametrize(("glob", "name"), [(PREVIEW_GLOB, "pr-42"), (DATA_GLOB, "data-8")])
def test_wildcards_match_their_kind_alone(glob: str, name: str) -> None:
    others = {"staging", "pr-42", "data-8"} - {name}
    assert fnmatch(name, glob)
    assert not any(fnmatch(other, glob) for other in others)
