"""Judges what this machine reaches: the cluster's API, and the address of staging.

Not to reach it is the finding here, and not a reason why nothing is known.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx
from lightkube import ApiError

from previews.doctor.expected import RUNNER
from previews.doctor.finding import Problem, Verdict, verdict
from previews.errors import PreviewsError
from previews.lifecycle.preflight import check_cluster

if TYPE_CHECKING:
    from contract.platform_outputs import PlatformOutputs
    from previews.kubernetes import Cluster

_SECONDS = 10.0
_NO_ANSWER = "kubernetes-failed"


def staging_url(platform: PlatformOutputs, host: str) -> str:
    """Return staging's URL, for its host."""
    ingress = platform.ingress
    scheme = ingress.protocol.lower()
    standard = {"http": 80, "https": 443}[scheme] == ingress.port
    return f"{scheme}://{host}/" if standard else f"{scheme}://{host}:{ingress.port}/"


def delegation(host: str, domain: str) -> Verdict:
    """Judge whether a name in the zone is found from here."""
    try:
        found = {str(address[4][0]) for address in socket.getaddrinfo(host, None)}
    except socket.gaierror as error:
        why = f"{host} is not found from here: {error.strerror}"
        remedy = (
            f"dig +short NS {domain}   # must list the zone's name servers: add them to the"
            " parent domain; if it does, the record is lacking: pulumi up -s staging"
        )
        return verdict("", [Problem(why, remedy)])
    return verdict(f"{host} is {', '.join(sorted(found))}", [])


def cluster(connect: Callable[[], Cluster]) -> Verdict:
    """Judge whether the cluster's API answers.

    Args:
        connect: Returns the cluster, whose name may have to be read from it.

    Raises:
        PreviewsError: It answers, and refuses or lacks what is read.
    """
    try:
        return verdict(check_cluster(connect()).detail, [])
    except PreviewsError as error:
        if error.code != _NO_ANSWER or isinstance(error.__cause__, ApiError):
            raise
        why = f"the cluster's API does not answer here: {error.why}"
        remedy = (
            "pulumi config set --stack staging --path 'previews:cluster.apiCidrs[1]' NETWORK"
            f"   # this machine's; in CI set {RUNNER} to a runner in such a network. {error.remedy}"
        )
        return verdict("", [Problem(why, remedy)])


def address(url: str, connect_to: str | None) -> Verdict:
    """Judge whether staging answers at its address, which is a preview's, too.

    Args:
        url: Its URL.
        connect_to: URL to connect to, for a name that this machine does not resolve.
    """
    host = httpx.URL(url).netloc.decode()
    try:
        answer = httpx.get(connect_to or url, headers={"Host": host}, timeout=_SECONDS)
    except httpx.HTTPError as error:
        why = f"{url} does not answer here: {error!r}"
        remedy = (
            "pulumi config set --stack staging --path 'previews:access.cidrs[1]' NETWORK"
            f"   # this machine's; in CI set {RUNNER} to a runner in such a network"
        )
        return verdict("", [Problem(why, remedy)])
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        why = f"{url} answers {answer.status_code}: no healthy pod is behind the load balancer"
        return verdict("", [Problem(why, "kubectl get pods --namespace staging")])
    return verdict(f"{url} answers {answer.status_code}", [])
