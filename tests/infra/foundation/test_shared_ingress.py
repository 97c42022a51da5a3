"""The way in that all stacks share: certificate, class, networks, records."""

from __future__ import annotations

from typing import Any

import pytest

from infra.config.platform import Controller
from infra.errors import ProgramError
from infra.foundation.dns import checked_load_balancer
from infra.stacks import main
from tests.infra.world import CREATED_CLUSTER, STAGING_CONFIG, Cloud, Deployment, deploy

ALB = "alb.ingress.kubernetes.io"
INGRESS = "kubernetes:networking.k8s.io/v1:Ingress"
CLASS = "kubernetes:networking.k8s.io/v1:IngressClass"
AUTO = "kubernetes:eks.amazonaws.com/v1:IngressClassParams"
AWS = "kubernetes:elbv2.k8s.aws/v1beta1:IngressClassParams"
RECORD = "aws:route53/record:Record"
ZONE = {"dns": {"zoneId": "Z0123456789"}}
CERTIFICATE = "arn:aws:acm:eu-west-1:123456789012:certificate/1"


def staging(**config: Any) -> Deployment:
    return deploy("staging", main, config=STAGING_CONFIG | config)


def said_by_ingress(stack: Deployment) -> dict[str, str]:
    return dict(stack.one(INGRESS).inputs["metadata"]["annotations"])


def names(stack: Deployment, type_: str) -> set[str]:
    return {r.name for r in stack.registrations if r.type == type_}


def test_in_a_cluster_that_is_there_ingresses_say_it_all(staging: Deployment) -> None:
    said = said_by_ingress(staging)
    assert said[f"{ALB}/group.name"] == "previews"
    assert said[f"{ALB}/scheme"] == "internal"
    assert said[f"{ALB}/inbound-cidrs"] == "10.0.0.0/16,100.64.0.0/16"
    assert names(staging, CLASS) == set()


@pytest.mark.parametrize(
    ("config", "type_", "controller", "api_group", "cidrs"),
    [
        (
            CREATED_CLUSTER,
            AUTO,
            "eks.amazonaws.com/alb",
            "eks.amazonaws.com",
            ["10.64.0.0/16"],
        ),
        (
            {"loadBalancer": {"controller": Controller.AWS.value}},
            AWS,
            "ingress.k8s.aws/alb",
            "elbv2.k8s.aws",
            ["10.0.0.0/16", "100.64.0.0/16"],
        ),
    ],
)
def test_a_class_of_our_own_says_what_no_ingress_can(
    config: dict[str, Any], type_: str, controller: str, api_group: str, cidrs: list[str]
) -> None:
    stack = staging(**config)
    assert stack.one(type_).inputs["spec"] == {
        "group": {"name": "previews"},
        "scheme": "internal",
        "inboundCIDRs": cidrs,
        "namespaceSelector": {"matchLabels": {"app.kubernetes.io/part-of": "previews"}},
        "loadBalancerAttributes": [
            {"key": "routing.http.drop_invalid_header_fields.enabled", "value": "true"},
            {"key": "idle_timeout.timeout_seconds", "value": "60"},
        ],
        # The budget over all previews sees the load balancer by it.
        "tags": [{"key": "kind", "value": "preview"}],
    }
    assert stack.one(CLASS).inputs["spec"] == {
        "controller": controller,
        "parameters": {"apiGroup": api_group, "kind": "IngressClassParams", "name": "previews"},
    }
    ingress = stack.one(INGRESS)
    assert ingress.inputs["spec"]["ingressClassName"] == "previews"
    # The class may drop the field, and then the load balancer would be open to everybody.
    assert said_by_ingress(stack)[f"{ALB}/inbound-cidrs"] == ",".join(cidrs)
    assert stack.outputs["platform"]["ingress"]["annotations"] == {
        f"{ALB}/inbound-cidrs": ",".join(cidrs)
    }
    # EKS Auto Mode knows no such annotations, and the other controller would not heed them.
    for name in ("group.name", "scheme"):
        assert f"{ALB}/{name}" not in said_by_ingress(stack)
    assert stack.comes_after(ingress, stack.one(CLASS))
    assert stack.comes_after(stack.one(CLASS), stack.one(type_))


def test_an_existing_cluster_in_auto_mode_gets_a_class_of_our_own() -> None:
    """Auto Mode ignores the group's annotation: each preview would get a load balancer."""
    stack = deploy("staging", main, config=STAGING_CONFIG, cloud=Cloud(auto_mode=True))
    spec = stack.one(AUTO).inputs["spec"]
    assert spec["group"] == {"name": "previews"}
    assert stack.one(INGRESS).inputs["spec"]["ingressClassName"] == "previews"
    # The role of that cluster may not write it, and then no load balancer would come.
    assert "tags" not in spec


def test_every_stacks_namespace_may_use_the_class(
    new_staging: Deployment, preview: Deployment
) -> None:
    wanted = new_staging.one(AUTO).inputs["spec"]["namespaceSelector"]["matchLabels"]
    for stack in (new_staging, preview):
        labels = stack.one("kubernetes:core/v1:Namespace", "namespace").inputs["metadata"]["labels"]
        assert wanted.items() <= labels.items()


def test_networks_can_be_named() -> None:
    access = {
        "loadBalancer": {"scheme": "internet-facing"},
        "access": {"signIn": "none", "cidrs": ["203.0.113.0/24", "198.51.100.7/32"]},
    }
    assert said_by_ingress(staging(**access))[f"{ALB}/inbound-cidrs"] == (
        "203.0.113.0/24,198.51.100.7/32"
    )
    spec = staging(**CREATED_CLUSTER, **access).one(AUTO).inputs["spec"]
    assert (spec["scheme"], spec["inboundCIDRs"]) == (
        "internet-facing",
        ["203.0.113.0/24", "198.51.100.7/32"],
    )


def test_without_a_zone_names_are_somebody_elses(staging: Deployment) -> None:
    assert names(staging, RECORD) == set()
    assert names(staging, "aws:acm/certificate:Certificate") == set()


def test_one_certificate_for_all_names_is_proven_in_the_zone() -> None:
    stack = staging(**ZONE)
    asked = stack.one("aws:acm/certificate:Certificate").inputs
    assert (asked["domainName"], asked["validationMethod"]) == ("*.preview.example.com", "DNS")
    proof = stack.one(RECORD, "proof").inputs
    assert {key: proof[key] for key in ("name", "type", "records", "zoneId")} == {
        "name": "_abc.preview.example.com.",
        "type": "CNAME",
        "records": ["_def.acm-validations.aws."],
        "zoneId": "Z0123456789",
    }
    issued = stack.one("aws:acm/certificateValidation:CertificateValidation")
    assert issued.inputs["certificateArn"] == CERTIFICATE
    assert stack.comes_after(stack.one(INGRESS), issued)


@pytest.mark.parametrize(
    ("config", "type_", "key"),
    [
        (CREATED_CLUSTER, AUTO, "certificateARNs"),
        ({"loadBalancer": {"controller": Controller.AWS.value}}, AWS, "certificateArn"),
    ],
)
def test_the_class_names_the_certificate(config: dict[str, Any], type_: str, key: str) -> None:
    stack = staging(**config, **ZONE)
    assert stack.one(type_).inputs["spec"][key] == [CERTIFICATE]


def test_plain_http_has_no_certificate() -> None:
    stack = staging(**ZONE, listener={"protocol": "HTTP", "port": 80})
    assert names(stack, "aws:acm/certificate:Certificate") == set()


def test_one_record_leads_all_names_to_the_load_balancer() -> None:
    record = staging(**ZONE).one(RECORD, "wildcard").inputs
    assert (record["name"], record["type"]) == ("*.preview.example.com", "A")
    assert record["aliases"] == [
        {
            "name": "internal-k8s-previews-0123456789.eu-west-1.elb.amazonaws.com",
            "zoneId": "Z32O12XQLNTSW2",
            "evaluateTargetHealth": False,
        }
    ]


def test_a_record_for_each_stack_is_not_staging_s_to_write() -> None:
    stack = staging(**CREATED_CLUSTER, dns={**ZONE["dns"], "records": "each"})
    assert names(stack, RECORD) == {"proof"}


def test_a_load_balancer_that_never_came_is_said() -> None:
    assert checked_load_balancer("lb.example.com") == "lb.example.com"
    with pytest.raises(ProgramError, match="status has no load balancer") as caught:
        checked_load_balancer("")
    assert "kubectl describe ingress" in caught.value.remedy
