"""Names on a shared server: those of a preview, and those that may be dropped."""

from __future__ import annotations

import re
from itertools import product

import pytest

from database.branches import names
from database.branches.cluster import controlled_from
from database.branches.names import BranchNames, may_be_dropped


@pytest.mark.parametrize("number", ["1", "42", "999999999"])
def test_a_namespace_has_a_database_and_two_roles(number: str) -> None:
    assert BranchNames.of(f"pr-{number}") == BranchNames(
        f"pr-{number}", f"pr_{number}", f"pr_{number}_migrator", f"pr_{number}_app"
    )


@pytest.mark.parametrize(
    "namespace", ["pr-0", "pr-042", "pr-1000000000", "pr-", "pr-4x", "xpr-4", "staging", "pr-٤", ""]
)
def test_any_other_namespace_has_none(namespace: str) -> None:
    assert BranchNames.of(namespace) is None


@pytest.mark.parametrize(
    ("make", "form"),
    [
        (names.pending, "branch_pending_[0-9a-f]{12}"),
        (names.spare, "branch_spare_[0-9a-f]{12}"),
        (names.retired, "branch_retired_[0-9a-f]{12}"),
    ],
)
def test_a_new_name_is_like_no_other_and_may_be_dropped(make: object, form: str) -> None:
    assert callable(make)
    one, other = make(), make()
    assert re.fullmatch(form, one)
    assert one != other
    assert may_be_dropped(one)


def test_what_this_program_did_not_name_is_never_dropped() -> None:
    hexadecimal = "0123456789ab"
    others = [
        *("postgres", "template1", "rdsadmin", "service", names.REGISTRY, names.TEMPLATE, ""),
        *("pr_0", "pr_042", "pr_1000000000", "pr_42_app", "xpr_42", "pr-42"),
        *(f"branch_pending_{part}" for part in (hexadecimal[:-1], hexadecimal + "0", "g" * 12)),
        f"branch_other_{hexadecimal}",
    ]
    assert [name for name in others if may_be_dropped(name)] == []
    kept = [f"{a}{b}" for a, b in product(("pr_",), ("1", "42", "999999999"))]
    assert all(may_be_dropped(name) for name in kept)


@pytest.mark.parametrize("kind", ["making", "former"])
def test_names_of_an_earlier_version_may_be_dropped(kind: str) -> None:
    assert may_be_dropped(f"branch_{kind}_0123456789ab")
    assert not may_be_dropped(f"branch_{kind}_0123456789abc")


def test_another_apps_names_carry_it() -> None:
    assert BranchNames.of("my-orders-pr-42") == BranchNames(
        "my-orders-pr-42",
        "my_orders_pr_42",
        "my_orders_pr_42_migrator",
        "my_orders_pr_42_app",
    )
    assert may_be_dropped("my_orders_pr_42")
    assert not may_be_dropped("my_orders_staging")


@pytest.mark.parametrize(
    ("namespace", "controller"),
    [
        ("pr-42", "branches"),
        ("orders-pr-42", "orders-branches"),
        ("orders-eu-pr-42", "orders-eu-branches"),
        # The platform's own refuses it, so that its maker learns why it gets no database.
        ("default", "branches"),
    ],
)
def test_each_app_has_a_controller_of_its_own(namespace: str, controller: str) -> None:
    assert controlled_from(namespace) == controller
