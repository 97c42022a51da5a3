"""A field that the server dropped from a custom object is an error; nothing else shows it."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi.runtime import mocks
from typing_extensions import override

from infra.errors import ProgramError
from infra.kubernetes.custom_object import check_kept, dropped
from infra.stacks import main
from tests.infra.world import CREATED_CLUSTER, STAGING_CONFIG, Cloud, deploy

API = "eks.amazonaws.com/v1"
CLASS = f"kubernetes:{API}:IngressClassParams"
NODES = f"kubernetes:{API}:NodeClass"


class Pruning(Cloud):
    """A cluster whose kinds have fewer fields; the server drops the others."""

    lacking: tuple[str, str] = ("", "")

    @override
    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        identity, outputs = super().new_resource(args)
        type_, field = self.lacking
        if args.typ == type_:
            kept = {key: value for key, value in outputs["spec"].items() if key != field}
            outputs = {**outputs, "spec": kept}
        return identity, outputs


def pruning(type_: str, field: str) -> Pruning:
    cloud = Pruning()
    cloud.lacking = (type_, field)
    return cloud


def test_fields_that_the_server_adds_do_not_matter() -> None:
    sent = {"a": [{"b": 1}], "c": {"d": "x"}}
    kept = {"a": [{"b": 1.0, "new": True}], "c": {"d": "x"}, "e": None}
    assert list(dropped(sent, kept)) == []


def test_each_dropped_field_is_named_by_its_path() -> None:
    sent = {"a": [{"b": 1, "c": 2}, {"b": 3}], "d": {"e": {"f": 1}}}
    assert list(dropped(sent, {"a": [{"b": 1}], "d": None})) == ["a.0.c", "a.1", "d.e"]


def test_an_expendable_field_may_be_dropped() -> None:
    check_kept("NodeClass previews", API, {"a": 1}, {}, expendable=["a"])
    with pytest.raises(ProgramError) as caught:
        check_kept("NodeClass previews", API, {"a": 1, "b": 2}, {}, expendable=["a"])
    assert caught.value.why == f"the cluster's {API} has no field b, and dropped it"


@pytest.mark.parametrize(
    ("type_", "field"),
    [(NODES, "networkPolicy"), (CLASS, "namespaceSelector"), (CLASS, "group")],
)
def test_a_guard_that_the_server_drops_stops_the_program(type_: str, field: str) -> None:
    config = STAGING_CONFIG | CREATED_CLUSTER
    with pytest.raises(ProgramError, match=f"has no field {field}"):
        deploy("staging", main, config=config, cloud=pruning(type_, field))


def test_inbound_networks_may_be_dropped_since_each_ingress_has_them() -> None:
    config = STAGING_CONFIG | CREATED_CLUSTER
    stack = deploy("staging", main, config=config, cloud=pruning(CLASS, "inboundCIDRs"))
    annotations = stack.one("kubernetes:networking.k8s.io/v1:Ingress").inputs["metadata"]
    assert annotations["annotations"]["alb.ingress.kubernetes.io/inbound-cidrs"] == "10.64.0.0/16"
