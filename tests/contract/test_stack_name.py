"""Which stack names there are, and that every name made from one fits its place."""

from __future__ import annotations

import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from contract.stack_name import (
    LONGEST_APP,
    PLATFORM_APP,
    RESERVED,
    AppName,
    AppNameError,
    StackKind,
    StackName,
    StackNameError,
    stack_glob,
)

ROOT = Path(__file__).resolve().parents[2]
ORDERS = AppName("orders")


def _app(parts: list[str]) -> str:
    return "-".join(parts)


def _is_allowed(text: str) -> bool:
    return len(text) <= LONGEST_APP and RESERVED.isdisjoint(text.split("-"))


# Parts that are near the words of stacks, so that names which might meet are drawn often.
PARTS = st.one_of(
    st.from_regex(r"[a-z0-9]{1,12}", fullmatch=True),
    st.sampled_from(["prs", "p", "r", "pr0", "datas", "deploy", "preview", "42", "app", "final"]),
)
APPS = st.builds(
    AppName,
    st.tuples(st.from_regex("[a-z][a-z0-9]{0,3}", fullmatch=True), st.lists(PARTS, max_size=4))
    .map(lambda made: _app([made[0], *made[1]]))
    .filter(_is_allowed),
)
ALL_APPS = st.one_of(st.just(PLATFORM_APP), APPS)
STACKS = st.one_of(
    st.just("staging"),
    st.integers(1, 999_999_999).map(lambda number: f"pr-{number}"),
    st.integers(1, 999_999).map(lambda number: f"data-{number}"),
)
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


@given(ALL_APPS, STACKS)
@example(AppName("x" * LONGEST_APP), "pr-999999999")
def test_what_is_made_from_a_name_fits_where_it_is_used(app: AppName, stack: str) -> None:
    name = StackName.parse(stack, app)
    label = r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
    identifier = r"[a-z](-?[a-z0-9])*"
    for rds in (name.database_identifier, name.database_subnet_group, name.final_snapshot):
        assert re.fullmatch(identifier, rds)
        assert len(rds) <= 63
    assert re.fullmatch(label, name.namespace)
    assert re.fullmatch(label, app.branches_namespace)
    for role in (name.secrets_role, name.app_secrets_role, name.app_role):
        assert re.fullmatch(r"[\w+=,.@-]{1,64}", role)
    assert re.fullmatch(r"[a-z][a-z0-9-]{1,61}[a-z0-9]", name.bucket("123456789012"))
    assert re.fullmatch(r"[\w+=,.@-]{1,64}", f"{app.project}-deploy-preview")
    assert len(name.database_security_group) <= 255
    assert not name.database_security_group.startswith("sg-")
    assert re.fullmatch(r"[A-Za-z0-9_][\w.-]{0,127}", name.image_tag(f"{COMMIT}-0123abcd"))
    assert len(name.host("d" * 200)) <= 253
    for role in (name.branch, name.branch_migrator, name.branch_app):
        assert re.fullmatch(r"[a-z][a-z0-9_]{0,62}", role)


def test_the_lengths_that_are_documented_are_the_longest() -> None:
    name = StackName.parse("pr-999999999", AppName("x" * LONGEST_APP))
    roles = max(len(name.branch_migrator), len(name.branch_app))
    iam = max(len(role) for role in (name.secrets_role, name.app_secrets_role, name.app_role))
    rds = max(len(rds) for rds in (name.database_identifier, name.database_subnet_group))
    documented = " ".join(str(StackName.__doc__).split())
    assert (
        f"the longest role of PostgreSQL is {roles} characters long, the longest IAM role {iam}"
        f" and the longest identifier in RDS {rds}," in documented
    )
    bucket = len(name.bucket("123456789012"))
    assert f"At most {bucket} characters" in str(StackName.bucket.__doc__)


@given(ALL_APPS, STACKS)
def test_a_resource_leads_back_to_its_app_and_stack(app: AppName, stack: str) -> None:
    name = StackName.parse(stack, app)
    assert StackName.of_resource(name.name) == name
    assert StackName.of_resource(name.database_security_group, "-database") == name
    assert StackName.of_resource(name.secrets_role, "-database", "-secrets") == name
    assert StackName.of_resource(name.database_security_group) is None
    of_branch = StackName.of_branch(name.branch)
    assert of_branch == (name if name.kind is StackKind.PREVIEW else None)
    assert StackName.of_branch(name.branch_app) is None


@pytest.mark.parametrize(
    "name",
    ["", "orders", "orders-pr-0", "orders-pr-42-x", "x-data-1-pr-42", "-pr-42", "a--b-pr-42"],
)
def test_another_name_is_no_stack_of_any_app(name: str) -> None:
    assert StackName.of_resource(name, "-database") is None


@given(ALL_APPS, ALL_APPS, STACKS, STACKS)
@example(AppName("a"), AppName("a-b"), "pr-42", "pr-42")
@example(PLATFORM_APP, AppName("a"), "pr-42", "pr-42")
def test_two_apps_share_no_name(one: AppName, other: AppName, first: str, second: str) -> None:
    assume(one != other)

    def made(app: AppName, stack: str) -> set[str]:
        name = StackName.parse(stack, app)
        stacks = {
            *(name.namespace, name.database_identifier, name.database_security_group),
            *(name.final_snapshot, name.secrets_role, name.host("example.com")),
            *(name.branch, name.branch_migrator, name.branch_app),
            *(name.app_role, name.app_secrets_role, name.bucket("123456789012")),
        }
        shared = {app.branches_namespace, app.branches_cluster_role, app.deployer, app.project}
        return stacks | shared

    assert made(one, first).isdisjoint(made(other, second))


@given(ALL_APPS, ALL_APPS, STACKS)
@example(AppName("a"), AppName("a-b"), "pr-42")
@example(AppName("a-b"), AppName("a"), "pr-42")
@example(PLATFORM_APP, AppName("a"), "pr-42")
def test_no_wildcard_or_pattern_of_an_app_meets_another_one(
    one: AppName, other: AppName, stack: str
) -> None:
    assume(one != other)
    name = StackName.parse(stack, other)
    names = {name.name, name.database_security_group, name.secrets_role, name.final_snapshot}
    names |= {name.app_role, name.bucket("123456789012")}
    for kind in StackKind:
        globs = {one.glob(kind), f"{one.glob(kind)}-secrets", f"{one.glob(kind)}-database"}
        globs |= {f"{one.glob(kind)}-app", one.bucket_glob(kind, "123456789012")}
        assert not any(fnmatch(found, glob) for glob in globs for found in names)
    assert not any(re.fullmatch(one.preview_pattern, found) for found in names)
    assert not re.fullmatch(one.branch_pattern, name.branch)


@pytest.mark.parametrize("app", [PLATFORM_APP, ORDERS])
def test_a_project_leads_back_to_its_app(app: AppName) -> None:
    assert AppName.of_project(app.project) == app


@pytest.mark.parametrize(
    "text",
    [
        *("", "Orders", "9a", "-a", "a-", "a--b", "a_b", "a.b", "a b", "é", "x" * 33),
        *sorted(RESERVED),
        *(f"a-{word}" for word in sorted(RESERVED)),
        *(f"{word}-a" for word in sorted(RESERVED)),
    ],
)
def test_any_other_app_is_refused_with_the_rule(text: str) -> None:
    with pytest.raises(AppNameError) as caught:
        AppName.parse(text)
    assert f"app {text!r}: " in str(caught.value)
    assert "for example `orders`" in str(caught.value)


@pytest.mark.parametrize("text", ["a", "orders", "my-app-2", "prs", "staging2", "x" * 32])
def test_an_app_has_the_name_of_a_label(text: str) -> None:
    assert str(AppName.parse(text)) == AppName.parse(text).project == text


def test_the_platforms_own_app_has_the_short_names() -> None:
    """Names that the state of deployed stacks holds: none may change."""
    name = StackName.parse("pr-42")
    assert (name.name, name.namespace, name.secrets_role) == ("pr-42", "pr-42", "pr-42-secrets")
    assert (PLATFORM_APP.project, str(PLATFORM_APP)) == ("previews", "previews")
    assert PLATFORM_APP.branches_namespace == "branches"
    assert PLATFORM_APP.branches_cluster_role == "previews-branches"
    assert PLATFORM_APP.deployer == "previews-deployer"
    assert [PLATFORM_APP.glob(kind) for kind in StackKind] == ["staging*", "pr-*", "data-*"]


def test_another_apps_names_carry_it() -> None:
    name = StackName.parse("pr-42", ORDERS)
    assert str(name) == name.name == name.namespace == "orders-pr-42"
    assert (name.value, name.branch, name.host("x.y")) == (
        "pr-42",
        "orders_pr_42",
        "orders-pr-42.x.y",
    )
    assert name.image_tag(COMMIT) == f"pr-42-{COMMIT}"
    assert StackName.of_image_tag(f"pr-42-{COMMIT}", ORDERS) == name


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


def test_ci_tags_staging_s_images_like_the_program() -> None:
    """Its workflow composes the tag itself; that of a preview is made by `previews up`."""
    text = (ROOT / ".github/workflows/staging.yml").read_text()
    # Staging builds two images, each in a repository of its own.
    (tag,) = set(re.findall(r"^ +tag: (.+)$", text, re.MULTILINE))
    composed = tag.replace("${{ github.sha }}", COMMIT)
    assert composed == StackName.parse("staging").image_tag(COMMIT)


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
    assert re.fullmatch(PLATFORM_APP.branch_pattern, name.branch)
    assert re.fullmatch(PLATFORM_APP.preview_pattern, name.value)


@pytest.mark.parametrize("kind", list(StackKind))
def test_wildcards_match_their_kind_alone(kind: StackKind) -> None:
    names = {"staging": StackKind.STAGING, "pr-42": StackKind.PREVIEW, "data-8": StackKind.DATA}
    assert [names[name] for name in names if fnmatch(name, stack_glob(kind))] == [kind]
