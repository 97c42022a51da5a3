"""The Ingress and the address."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.app.app_ingress import url
from infra.config.platform import Listener
from infra.kubernetes.ingress_annotations import app_annotations
from infra.stacks import main
from tests.infra.world import PREVIEW_CONFIG, STAGING_CONFIG, Cloud, Deployment, deploy

ALB = "alb.ingress.kubernetes.io"
INGRESS = "kubernetes:networking.k8s.io/v1:Ingress"


@pytest.mark.parametrize(
    ("protocol", "port", "listens", "redirects", "address"),
    [
        ("HTTPS", 443, [{"HTTP": 80}, {"HTTPS": 443}], "443", "https://a.example.com"),
        ("HTTPS", 8443, [{"HTTPS": 8443}], "8443", "https://a.example.com:8443"),
        ("HTTP", 80, [{"HTTP": 80}], None, "http://a.example.com"),
        ("HTTP", 8080, [{"HTTP": 8080}], None, "http://a.example.com:8080"),
        ("HTTP", 443, [{"HTTP": 443}], None, "http://a.example.com:443"),
    ],
)
def test_the_listener(
    protocol: Any, port: int, listens: list[dict[str, int]], redirects: str | None, address: str
) -> None:
    listener = Listener(protocol=protocol, port=port)
    annotations = app_annotations(listener)
    assert json.loads(annotations[f"{ALB}/listen-ports"]) == listens
    assert annotations.get(f"{ALB}/ssl-redirect") == redirects
    assert url(listener, "a.example.com") == address


def test_a_host_on_the_load_balancer_that_all_share(preview: Deployment) -> None:
    ingress = preview.one(INGRESS).inputs
    annotations = ingress["metadata"]["annotations"]
    assert annotations[f"{ALB}/group.name"] == "previews"
    assert annotations[f"{ALB}/target-type"] == "ip"
    assert ingress["spec"] == {
        "ingressClassName": "alb",
        "tls": [{"hosts": ["pr-42.preview.example.com"]}],
        "rules": [
            {
                "host": "pr-42.preview.example.com",
                "http": {
                    "paths": [
                        {
                            "path": "/",
                            "pathType": "Prefix",
                            "backend": {"service": {"name": "service", "port": {"name": "http"}}},
                        }
                    ]
                },
            }
        ],
    }


def test_it_leads_to_the_service_that_there_is(preview: Deployment) -> None:
    service = preview.one("kubernetes:core/v1:Service").inputs
    assert service["metadata"]["annotations"][f"{ALB}/healthcheck-path"] == "/health/ready"
    backend = preview.one(INGRESS).inputs["spec"]["rules"][0]["http"]["paths"][0]["backend"]
    assert backend["service"]["name"] == service["metadata"]["name"]
    assert backend["service"]["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}


def test_no_certificate_is_named_so_that_one_is_found(preview: Deployment) -> None:
    annotations = preview.one(INGRESS).inputs["metadata"]["annotations"]
    assert f"{ALB}/certificate-arn" not in annotations


def test_a_target_drains_within_the_time_that_its_pod_has(preview: Deployment) -> None:
    annotations = preview.one(INGRESS).inputs["metadata"]["annotations"]
    _, _, drain = annotations[f"{ALB}/target-group-attributes"].partition("=")
    pod = preview.one("kubernetes:apps/v1:Deployment").inputs["spec"]["template"]["spec"]
    stop = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert stop + int(drain) <= pod["terminationGracePeriodSeconds"]


def test_without_https_there_is_neither_a_certificate_nor_a_redirect() -> None:
    listener = {"listener": {"protocol": "HTTP", "port": 8080}}
    staging = deploy("staging", main, config=STAGING_CONFIG | listener)
    stack = deploy("pr-42", main, config=PREVIEW_CONFIG, cloud=Cloud(staging=staging.outputs))
    ingress = stack.one(INGRESS).inputs
    assert "tls" not in ingress["spec"]
    assert f"{ALB}/ssl-redirect" not in ingress["metadata"]["annotations"]
    assert stack.outputs["url"] == "http://pr-42.preview.example.com:8080"
