"""What AWS and Docker know of a resource once it is made, besides what it was asked for."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ACCOUNT = "123456789012"
REGION = "eu-west-1"
ISSUER = f"oidc.eks.{REGION}.amazonaws.com/id/ABC"


def _arn(service: str, resource: str) -> dict[str, Any]:
    region = "" if service == "iam" else REGION
    return {"arn": f"arn:aws:{service}:{region}:{ACCOUNT}:{resource}"}


def _image(_: str, given: Mapping[str, Any]) -> dict[str, Any]:
    content = json.dumps(given, sort_keys=True).encode()
    return {"digest": f"sha256:{hashlib.sha256(content).hexdigest()}"}


def _cluster(_: str, __: Mapping[str, Any]) -> dict[str, Any]:
    """A component on the plugin's own side: what it makes is not seen here."""
    return {
        "kubeconfigJson": json.dumps({"current-context": "aws"}),
        "autoModeNodeRoleName": "lab-nodes",
        "clusterSecurityGroupId": "sg-cluster",
        "oidcIssuer": ISSUER,
        "oidcProviderArn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}",
    }


KNOWN: dict[str, Callable[[str, Mapping[str, Any]], dict[str, Any]]] = {
    "aws:ec2/eip:Eip": lambda name, _: {"allocationId": f"eipalloc-{name}"},
    "aws:ecr/repository:Repository": lambda _, given: {
        "repositoryUrl": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{given['name']}"
    },
    "aws:iam/role:Role": lambda _, given: _arn("iam", f"role/{given['name']}"),
    "aws:kms/key:Key": lambda name, _: _arn("kms", f"key/{name}"),
    "docker-build:index:Image": _image,
    "eks:index:Cluster": _cluster,
}
"""By type: what is known of one, from its name and inputs."""

NAMED = {"aws:ecr/repository:Repository", "aws:iam/role:Role"}
"""Types that AWS knows by the name that they were given; the others get an identity."""
