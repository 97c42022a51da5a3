from __future__ import annotations

from typing import Any

import pytest
import respx
from httpx import ConnectTimeout, Response
from lightkube import ApiError

from previews.doctor import reach
from previews.errors import PreviewsError
from tests.addresses import free_port
from tests.contract.platform import platform_with

URL = "https://staging.preview.acme.dev/"


@pytest.mark.parametrize(
    ("protocol", "port", "url"),
    [
        ("HTTPS", 443, URL),
        ("HTTP", 80, "http://staging.preview.acme.dev/"),
        ("HTTPS", 8443, "https://staging.preview.acme.dev:8443/"),
    ],
)
def test_the_url_has_the_listeners_port(protocol: str, port: int, url: str) -> None:
    platform = platform_with(ingress={"protocol": protocol, "port": port})
    assert reach.staging_url(platform, "staging.preview.acme.dev") == url


def test_a_name_that_is_found_is_delegated() -> None:
    judged = reach.delegation("localhost", "localhost")
    assert (judged.fact.partition(" is ")[0], judged.problems) == ("localhost", ())


def test_a_name_that_is_not_found_names_the_delegation() -> None:
    [problem] = reach.delegation("staging.preview.invalid", "preview.invalid").problems
    assert "staging.preview.invalid is not found" in problem.why
    assert problem.remedy.startswith("dig +short NS preview.invalid")


@pytest.mark.parametrize("status", [200, 302, 401, 404])
@respx.mock
def test_any_answer_of_the_load_balancer_is_reach(status: int) -> None:
    respx.get(URL).mock(return_value=Response(status))
    assert reach.address(URL, None) == (f"{URL} answers {status}", ())


@respx.mock
def test_a_load_balancer_without_pods_is_no_reach() -> None:
    respx.get(URL).mock(return_value=Response(503))
    [problem] = reach.address(URL, None).problems
    assert "no healthy pod" in problem.why


@respx.mock
def test_a_closed_address_names_the_networks() -> None:
    respx.get(URL).mock(side_effect=ConnectTimeout("late"))
    [problem] = reach.address(URL, None).problems
    assert "does not answer here" in problem.why
    assert "access.cidrs" in problem.remedy
    assert "PREVIEWS_RUNNER" in problem.remedy


def test_a_refused_connection_names_the_networks() -> None:
    [problem] = reach.address(URL, f"http://127.0.0.1:{free_port()}").problems
    assert "does not answer here" in problem.why


class _Cluster:
    name = "previews"

    def __init__(self, cause: Exception) -> None:
        self._cause = cause

    def each(self, _kind: str) -> Any:
        error = PreviewsError("kubernetes-failed", "it", why=repr(self._cause), remedy="look.")
        raise error from self._cause


def test_a_cluster_that_does_not_answer_is_out_of_reach() -> None:
    [problem] = reach.cluster(lambda: _Cluster(OSError("no route"))).problems  # type: ignore[arg-type,return-value]
    assert "does not answer here" in problem.why
    assert "cluster.apiCidrs" in problem.remedy


def test_a_cluster_whose_name_cannot_be_read_from_it_is_out_of_reach() -> None:
    def connect() -> Any:
        _Cluster(OSError("no route")).each("namespaces")

    [problem] = reach.cluster(connect).problems
    assert "cluster.apiCidrs" in problem.remedy


def test_a_cluster_that_refuses_is_reached_and_unknown() -> None:
    refused = ApiError.__new__(ApiError)
    with pytest.raises(PreviewsError):
        reach.cluster(lambda: _Cluster(refused))  # type: ignore[arg-type,return-value]


def test_a_cluster_without_staging_is_reached_and_unknown() -> None:
    def connect() -> Any:
        raise PreviewsError("staging-outputs", "it", why="there is none", remedy="up.")

    with pytest.raises(PreviewsError):
        reach.cluster(connect)
