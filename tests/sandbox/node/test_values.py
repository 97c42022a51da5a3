"""Quantities, expansion, the downward API, back-off and addresses."""

from __future__ import annotations

import ipaddress
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.errors import SandboxError
from sandbox.node import downward, quantities
from sandbox.node.addresses import Addresses
from sandbox.node.backoff import Backoff
from sandbox.node.downward import Host
from sandbox.node.expansion import expand

HOST = Host("sandbox", "127.42.0.3", {"cpu": "16", "memory": "8Gi"}, ("127.42.0.1", 6443))
POD = {
    "metadata": {
        "name": "web",
        "namespace": "pr-42",
        "uid": "u",
        "labels": {"app": "shop", "a/b": 'say "hi"'},
    },
    "spec": {"serviceAccountName": "web", "containers": []},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", "1"), ("250m", "0.25"), ("1.5", "1.5"), ("64Mi", 64 * 2**20), ("1k", 1000),
        ("2E", 2 * 10**18), ("1e3", 1000), ("1Ei", 2**60), ("100n", "0.0000001"), ("-1", "-1"),
    ],
)  # fmt: skip
def test_quantities_are_read(text: str, value: str | int) -> None:
    assert quantities.parse(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "x", "1Q", "1mi", "--1", "1 Mi"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a quantity"):
        quantities.parse(text)


@pytest.mark.parametrize(
    ("amount", "divisor", "shown"), [("1Gi", "1Mi", 1024), ("250m", "1", 1), ("250m", "1m", 250)]
)
def test_divisions_are_rounded_up(amount: str, divisor: str, shown: int) -> None:
    assert quantities.in_units_of(amount, divisor) == shown


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"), ("x$(A)y$(B)z", "x1y$(A)z"), ("$(NONE)", "$(NONE)"), ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"), ("$A ${A} $(", "$A ${A} $("), ("$", "$"), ("$(A", "$(A"),
    ],
)  # fmt: skip
def test_references_expand_as_in_kubernetes(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1", "B": "$(A)"}) == expanded


@given(st.text(alphabet=st.characters(exclude_characters="$")))
def test_text_without_a_dollar_is_left_alone(text: str) -> None:
    assert expand(text, {text: "x"}) == text


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web"),
        ("metadata.uid", "u"),
        ("metadata.labels['app']", "shop"),
        ("metadata.annotations['none']", ""),
        ("metadata.labels", 'a/b="say \\"hi\\""\napp="shop"'),
        ("metadata.annotations", ""),
        ("spec.nodeName", "sandbox"),
        ("spec.serviceAccountName", "web"),
        ("status.podIP", "127.42.10.1"),
        ("status.hostIP", "127.42.0.3"),
    ],
)
def test_fields_of_the_pod(path: str, value: str) -> None:
    assert downward.field(POD, path, address="127.42.10.1", host=HOST) == value


def test_a_field_that_the_downward_api_has_not_is_refused() -> None:
    with pytest.raises(ValueError, match=r"spec\.containers"):
        downward.field(POD, "spec.containers", address="", host=HOST)


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ({"resource": "limits.memory"}, "67108864"),
        ({"resource": "limits.memory", "divisor": "1Mi"}, "64"),
        ({"resource": "requests.cpu", "divisor": "1m"}, "250"),
        ({"resource": "requests.memory", "divisor": "0"}, "0"),
        ({"resource": "limits.cpu", "divisor": "0"}, "16"),
    ],
)
def test_resources_of_the_container_or_else_of_the_node(
    reference: dict[str, str], value: str
) -> None:
    resources = {"limits": {"memory": "64Mi"}, "requests": {"cpu": "250m"}}
    assert downward.resource({"resources": resources}, reference, HOST) == value


def test_back_off_begins_at_once_doubles_and_ends_at_five_minutes() -> None:
    backoff = Backoff()
    assert [backoff.after_failure() for _ in range(8)] == [0, 10, 20, 40, 80, 160, 300, 300]
    assert backoff.after_failure(lasted=601) == 0
    assert backoff.after_failure(lasted=599) == 10


def test_addresses_are_not_used_again_at_once_even_by_the_next_node(tmp_path: Path) -> None:
    network = ipaddress.IPv4Network("127.99.0.0/16")
    addresses = Addresses(network, tmp_path / "cursor")
    first, second = addresses.take(), addresses.take()
    assert (first, second) == ("127.99.10.1", "127.99.10.2")
    addresses.give_back(first)
    assert addresses.take() == "127.99.10.3"
    later = Addresses(network, tmp_path / "cursor")
    assert later.reserve(second)
    assert not later.reserve(second)
    assert later.take() == "127.99.10.4"


def test_addresses_go_round_and_run_out(tmp_path: Path) -> None:
    addresses = Addresses(ipaddress.IPv4Network("127.99.0.0/20"), tmp_path / "cursor")
    taken = [addresses.take() for _ in range(6 * 254)]
    assert len(set(taken)) == len(taken)
    assert not {a for a in taken if a.endswith((".0", ".255"))}
    with pytest.raises(SandboxError, match="all 1524 addresses"):
        addresses.take()
    addresses.give_back(taken[7])
    assert addresses.take() == taken[7]


@pytest.mark.parametrize("address", ["127.99.9.1", "10.0.0.1", "nonsense", ""])
def test_an_address_that_is_not_the_nodes_is_not_reserved(tmp_path: Path, address: str) -> None:
    network = ipaddress.IPv4Network("127.99.0.0/16")
    assert not Addresses(network, tmp_path / "cursor").reserve(address)
