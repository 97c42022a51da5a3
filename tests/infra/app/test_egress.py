"""The app's way out: by name where the cluster can, else by public address."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from contract.app.model import App, Egress
from contract.networks import NOT_PUBLIC
from contract.stack_name import StackName
from infra.app.preview_namespace import PREPARE, PreviewNamespace
from infra.app.sizes import app_sizes
from infra.config.models import EgressBy, LimitsConfig, ServiceConfig
from infra.kubernetes.network_rules import excluded_networks
from infra.policies.networks import HOSTS_POLICY, NETWORK_POLICY, narrow
from infra.stacks import main
from infra.stacks.stack_outputs import read_staging
from sandbox.node.network_policy import Place, denial
from tests.infra.policies.resources import declared
from tests.infra.world import PREVIEW_CONFIG, SERVICE_CONFIG, STAGING_CONFIG, Cloud, deploy

if TYPE_CHECKING:
    from tests.infra.world import Deployment

CONFIG = ServiceConfig.model_validate(SERVICE_CONFIG)
NAME = "allow-app-egress"
STRIPE = Egress(host="api.stripe.com", port=443)
MAIL = Egress(host="smtp.example.com", port=587)
APP = Place("10.0.100.1", "pr-42", {"app.kubernetes.io/name": "service"})
PREPARING = replace(APP, labels={"app.kubernetes.io/name": PREPARE})


@pytest.fixture(scope="module")
def staging() -> Deployment:
    return deploy("staging", main, config=STAGING_CONFIG)


def namespace_with(
    staging: Deployment, *egress: Egress, by: EgressBy = EgressBy.ADDRESS
) -> Deployment:
    def program() -> None:
        PreviewNamespace(
            "namespace",
            stack=StackName.parse("pr-42"),
            sizes=app_sizes(App(), CONFIG, LimitsConfig()),
            ports={},
            platform=read_staging(),
            egress=egress,
            egress_by=by,
        )

    return deploy("pr-42", program, cloud=Cloud(staging=staging.outputs))


def of_namespace(staging: Deployment, *egress: Egress, by: EgressBy = EgressBy.ADDRESS) -> Any:
    kind = HOSTS_POLICY if by is EgressBy.NAME else NETWORK_POLICY
    return namespace_with(staging, *egress, by=by).one(kind, NAME).inputs


def test_without_hosts_there_is_no_further_way_out(staging: Deployment) -> None:
    for by in EgressBy:
        names = {r.name for r in namespace_with(staging, by=by).registrations}
        assert NAME not in names


def test_by_address_the_ports_are_open_to_every_public_address_and_to_no_other(
    staging: Deployment,
) -> None:
    policy = of_namespace(staging, STRIPE, MAIL, STRIPE)
    assert policy["metadata"]["annotations"] == {
        "previews/hosts": "api.stripe.com:443, smtp.example.com:587"
    }
    (rule,) = policy["spec"]["egress"]
    assert rule["ports"] == [{"port": 443, "protocol": "TCP"}, {"port": 587, "protocol": "TCP"}]
    policies = [policy]
    assert denial(APP, Place("203.0.113.9"), 443, "TCP", policies) is None
    assert denial(APP, Place("203.0.113.9"), 587, "TCP", policies) is None
    assert denial(APP, Place("203.0.113.9"), 80, "TCP", policies)
    assert denial(APP, Place("203.0.113.9"), 443, "UDP", policies)
    for address in (
        "10.0.1.5", "172.20.0.1", "192.168.1.1", "100.64.0.9", "127.0.0.1",
        "169.254.169.254", "169.254.170.23", "224.0.0.1", "0.0.0.0",
    ):  # fmt: skip
        assert denial(APP, Place(address), 443, "TCP", policies), address


def test_the_platforms_own_networks_are_closed_also_where_they_are_public_addresses() -> None:
    found = excluded_networks(["10.0.0.0/16", "9.9.0.0/16", "9.9.0.0/16", "2001:db8::/32"])
    assert found == [*NOT_PUBLIC, "9.9.0.0/16"]


def test_what_is_not_public_is_what_the_standard_library_says_so() -> None:
    known = [ipaddress.IPv4Network(cidr) for cidr in NOT_PUBLIC]
    for first in range(256):
        for second in (0, 18, 64, 168, 254):
            address = ipaddress.IPv4Address(f"{first}.{second}.5.5")
            if any(address in network for network in known):
                assert not address.is_global or address.is_multicast, address
            else:
                assert address.is_global, address


def test_by_name_only_the_hosts_are_open_and_the_name_server(staging: Deployment) -> None:
    policy = of_namespace(staging, MAIL, STRIPE, by=EgressBy.NAME)
    assert policy["metadata"]["namespace"] == "pr-42"
    assert policy["spec"] == {
        "podSelector": {
            "matchExpressions": [
                {
                    "key": "app.kubernetes.io/name",
                    "operator": "NotIn",
                    "values": ["prepare", "redis", "mail"],
                }
            ]
        },
        "policyTypes": ["Egress"],
        "egress": [
            {
                "to": [{"ipBlock": {"cidr": "172.20.0.0/16"}}],
                "ports": [
                    {"port": 53, "protocol": "UDP"},
                    {"port": 53, "protocol": "TCP"},
                ],
            },
            {
                "to": [{"domainNames": ["api.stripe.com"]}],
                "ports": [{"port": 443, "protocol": "TCP"}],
            },
            {
                "to": [{"domainNames": ["smtp.example.com"]}],
                "ports": [{"port": 587, "protocol": "TCP"}],
            },
        ],
    }


def test_only_one_of_the_two_kinds_exists(staging: Deployment) -> None:
    for by, other in ((EgressBy.NAME, NETWORK_POLICY), (EgressBy.ADDRESS, HOSTS_POLICY)):
        found = namespace_with(staging, STRIPE, by=by).registrations
        assert (other, NAME) not in {(r.type, r.name) for r in found}


def test_the_job_that_sees_staging_before_the_scrub_gets_no_way_out(staging: Deployment) -> None:
    preview = namespace_with(staging, STRIPE)
    policies = [r.inputs for r in preview.registrations if r.type == NETWORK_POLICY]
    assert denial(APP, Place("203.0.113.9"), 443, "TCP", policies) is None
    assert denial(PREPARING, Place("203.0.113.9"), 443, "TCP", policies)


def test_it_is_the_label_of_that_job() -> None:
    staging = deploy("staging", main, config=STAGING_CONFIG)
    preview = deploy("pr-42", main, config=PREVIEW_CONFIG, cloud=Cloud(staging=staging.outputs))
    job = preview.one("kubernetes:batch/v1:Job", "prepare").inputs
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert labels == {"app.kubernetes.io/name": PREPARE}


@pytest.mark.parametrize("by", list(EgressBy))
def test_the_policy_pack_accepts_what_the_program_declares(
    by: EgressBy, staging: Deployment
) -> None:
    preview = namespace_with(staging, STRIPE, MAIL, by=by)
    policies = [r for r in declared(preview) if r.type in {NETWORK_POLICY, HOSTS_POLICY}]
    assert len(policies) == 3
    assert [complaint for each in policies for complaint in narrow(each)] == []
