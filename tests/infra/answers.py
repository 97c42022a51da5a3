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


def _certificate(_: str, given: Mapping[str, Any]) -> dict[str, Any]:
    name = given["domainName"].removeprefix("*.")
    proof = {
        "domainName": given["domainName"],
        "resourceRecordName": f"_abc.{name}.",
        "resourceRecordType": "CNAME",
        "resourceRecordValue": "_def.acm-validations.aws.",
    }
    return _arn("acm", "certificate/1") | {"domainValidationOptions": [proof]}


def _ingress(_: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The name that the controller writes into an Ingress."""
    scheme = "internal-" if "internal" in str(given) else ""
    hostname = f"{scheme}k8s-previews-0123456789.{REGION}.elb.amazonaws.com"
    return {"status": {"loadBalancer": {"ingress": [{"hostname": hostname}]}}}


CLONE = {
    "generation": "data-8",
    "host": f"data-8.abc.{REGION}.rds.amazonaws.com",
    "port": 5432,
    "database": "pr_42",
    "snapshot": "rds:staging-2029-12-30-03-05",
    "snapshotCreated": "2029-12-30T03:05:11Z",
}
"""What the platform's controller says of a claim on a database."""


def _branch(_: str, given: Mapping[str, Any]) -> dict[str, Any]:
    return {"metadata": {**given["metadata"], "uid": "0b5a4937"}, "status": CLONE}


KNOWN: dict[str, Callable[[str, Mapping[str, Any]], dict[str, Any]]] = {
    "aws:acm/certificate:Certificate": _certificate,
    "aws:cognito/userPool:UserPool": lambda _, __: _arn("cognito-idp", f"userpool/{REGION}_Abc"),
    "aws:ec2/eip:Eip": lambda name, _: {"allocationId": f"eipalloc-{name}"},
    "aws:ecr/repository:Repository": lambda _, given: {
        "repositoryUrl": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{given['name']}"
    },
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": lambda _, given: _arn(
        "iam", f"oidc-provider/{str(given['url']).removeprefix('https://')}"
    ),
    "aws:iam/policy:Policy": lambda _, given: _arn("iam", f"policy/{given['name']}"),
    "aws:iam/role:Role": lambda _, given: _arn("iam", f"role/{given['name']}"),
    "aws:route53/record:Record": lambda _, given: {"fqdn": given["name"].rstrip(".")},
    "aws:kms/key:Key": lambda name, _: _arn("kms", f"key/{name}"),
    "aws:s3/bucket:Bucket": lambda _, given: {"arn": f"arn:aws:s3:::{given['bucket']}"},
    "docker-build:index:Image": _image,
    "eks:index:Cluster": _cluster,
    "kubernetes:networking.k8s.io/v1:Ingress": _ingress,
    "kubernetes:previews.internal/v1alpha1:DatabaseBranch": _branch,
}
"""By type: what is known of one, from its name and inputs."""

NAMED = {"aws:ecr/repository:Repository", "aws:iam/role:Role"}
"""Types that AWS knows by the name that they were given; the others get an identity."""


def _vpc(asked: Mapping[str, Any]) -> dict[str, Any]:
    blocks = ("10.0.0.0/16", "100.64.0.0/16")
    return {
        "id": asked["id"],
        "cidrBlock": blocks[0],
        "cidrBlockAssociations": [{"cidrBlock": block} for block in blocks],
    }


def _subnet(asked: Mapping[str, Any]) -> dict[str, Any]:
    number = str(asked["id"]).removeprefix("subnet-")
    return {"id": asked["id"], "cidrBlock": f"10.0.{number}.0/24"}


FUNCTIONS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "aws:ec2/getSubnet:getSubnet": _subnet,
    "aws:ec2/getVpc:getVpc": _vpc,
    "aws:index/getAvailabilityZones:getAvailabilityZones": lambda asked: {
        **asked,
        "id": REGION,
        "names": [f"{REGION}{letter}" for letter in "abcd"],
    },
    "aws:index/getRegion:getRegion": lambda _: {"region": REGION, "id": REGION},
    "aws:lb/getHostedZoneId:getHostedZoneId": lambda _: {"id": "Z32O12XQLNTSW2"},
}
"""Look-ups whose answers no test varies."""
