"""A platform that lacks nothing: its file, its repository on GitHub, its AWS account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws

from contract.app.model import App
from previews.doctor.examination import Examination
from previews.doctor.finding import Finding
from previews.github import GitHub
from previews.kubernetes import KubernetesObject
from previews.settings import Settings
from tests.contract.platform import platform_with
from tests.github import LocalGitHub
from tests.github.settings import REPOSITORY_ID

BUCKET = "acme-previews-state"
KEY = "alias/previews-state"
ZONE = "Z1ACME"
ISSUER = "token.actions.githubusercontent.com"
PLATFORM = platform_with(cluster={"name": "previews"}).model_copy(
    update={"domain": "preview.acme.dev"}
)
CERTIFICATE = "*.preview.acme.dev"
ROLES = {
    "preview": "previews-deploy-preview",
    "staging": "previews-deploy-staging",
    "preview-infra-plan": "previews-plan-preview-infra",
    "preview-infra": "previews-deploy-preview-infra",
}
FILES = {
    "preview": ["preview.yml", "preview-destroy.yml", "preview-sweep.yml"],
    "staging": ["staging.yml", "preview-refresh.yml"],
    "preview-infra-plan": ["preview-infra-diff.yml"],
    "preview-infra": ["preview.yml"],
}


def trust(kind: str) -> dict[str, Any]:
    """Return the trust policy of an environment's role, as AWS answers it."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Principal": {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{ISSUER}"},
                "Condition": {
                    "StringEquals": {
                        f"{ISSUER}:aud": "sts.amazonaws.com",
                        f"{ISSUER}:sub": f"repo:acme/orders:environment:{kind}",
                        f"{ISSUER}:repository_id": str(REPOSITORY_ID),
                        f"{ISSUER}:ref": "refs/heads/main",
                        f"{ISSUER}:job_workflow_ref": [
                            f"acme/orders/.github/workflows/{file}@refs/heads/main"
                            for file in FILES[kind]
                        ],
                    }
                },
            }
        ],
    }


class Rds:
    """RDS with a snapshot of staging, and room for instances, of which moto keeps no count."""

    used = 12

    def get_paginator(self, _operation: str) -> Rds:
        return self

    def paginate(self, **_asked: str) -> Iterator[dict[str, Any]]:
        from tests.previews.world import NOW

        yield {"DBSnapshots": [{"Status": "available", "SnapshotCreateTime": NOW}]}

    def describe_account_attributes(self) -> dict[str, Any]:
        return {
            "AccountQuotas": [{"AccountQuotaName": "DBInstances", "Used": self.used, "Max": 40}]
        }


@cache
def client(name: str) -> Any:
    """One client of a service for all tests: making one takes longer than most of them."""
    session = boto3.Session("testing", "testing", region_name="us-east-1")
    return session.client(name)  # type: ignore[call-overload]


class Session:
    """The account of moto, which is filled when it is first asked, with that RDS."""

    def __init__(self, until: ExitStack) -> None:
        self.rds = Rds()
        self._until = until
        self._is_filled = False

    def client(self, name: str) -> Any:
        if not self._is_filled:
            self._is_filled = True
            self._until.enter_context(mock_aws())
            _fill()
        return self.rds if name == "rds" else client(name)


def _fill() -> None:
    client("route53").create_hosted_zone(Name="acme.dev.", CallerReference="1")
    _make_state(client("s3"), client("kms"))
    for kind, role in ROLES.items():
        document = json.dumps(trust(kind))
        client("iam").create_role(RoleName=role, AssumeRolePolicyDocument=document)
    _make_balancer(client("ec2"), client("elbv2"))
    made = client("acm").request_certificate(DomainName=CERTIFICATE, ValidationMethod="DNS")
    # Validated when it is read; `world` takes the wait for that away.
    client("acm").describe_certificate(CertificateArn=made["CertificateArn"])


def _make_state(s3: Any, kms: Any) -> None:
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    kinds = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy")
    blocked = dict.fromkeys((*kinds, "RestrictPublicBuckets"), True)
    s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=blocked)
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    s3.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": [rule]})
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=KEY, TargetKeyId=key)


def _make_balancer(ec2: Any, elb: Any) -> None:
    network = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(
            VpcId=network, CidrBlock=f"10.1.{place}.0/24", AvailabilityZone=f"us-east-1{zone}"
        )["Subnet"]["SubnetId"]
        for place, zone in enumerate("ab")
    ]
    [balancer] = elb.create_load_balancer(
        Name="k8s-previews",
        Subnets=subnets,
        Tags=[{"Key": "ingress.k8s.aws/stack", "Value": "previews"}],
    )["LoadBalancers"]
    [group] = elb.create_target_group(Name="staging", Protocol="HTTP", Port=80, VpcId=network)[
        "TargetGroups"
    ]
    elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}],
    )


class Cluster:
    name = "previews"

    def each(self, _kind: str) -> Iterator[KubernetesObject]:
        yield KubernetesObject("namespaces", {"metadata": {"name": "kube-system"}})


class World:
    """Everything that the checks read; tests take away from it.

    Attributes:
        hub: GitHub.
        session: AWS.
        file: ``Pulumi.staging.yaml`` as the guide's steps leave it.
    """

    def __init__(self, hub: LocalGitHub, project: Path, until: ExitStack) -> None:
        self.hub = hub
        self.session = Session(until)
        self.cluster = Cluster()
        self.project = project
        self.file: dict[str, Any] = {
            "domain": "preview.acme.dev",
            "dns": {"zoneId": ZONE},
            "cluster": {"name": "previews", "apiCidrs": ["10.1.0.0/16"]},
            "access": {"cidrs": ["10.1.0.0/16"]},
            "github": {
                "repository": "acme/orders",
                # As `pulumi config set` writes a number.
                "repositoryId": REPOSITORY_ID,
                "subjectPrefix": "repo:acme/orders",
                "stateBucket": BUCKET,
                "stateKey": KEY,
            },
        }
        self.provider = f"awskms://{KEY}?region=us-east-1"

    def aws(self, name: str) -> Any:
        return self.session.client(name)

    def examination(self, *, connect_to: str | None = None) -> Examination:
        """Return the examination of what is there now."""
        document = {
            "secretsprovider": self.provider,
            "config": {f"previews:{key}": value for key, value in self.file.items()},
        }
        (self.project / "Pulumi.staging.yaml").write_text(yaml.safe_dump(document))
        settings = Settings.read()
        return Examination(
            settings=settings,
            github=GitHub(settings),
            account=lambda: self.session,  # type: ignore[arg-type,return-value]
            aws=lambda: self.session,  # type: ignore[arg-type,return-value]
            platform=lambda: PLATFORM,
            cluster=lambda: self.cluster,  # type: ignore[arg-type,return-value]
            app=App,
            connect_to=connect_to,
        )

    def finding(self, name: str) -> Finding:
        """Make one check."""
        [check] = [check for check in self.examination().checks() if check.name == name]
        return check.run()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    monkeypatch.setenv("PREVIEWS_PROJECT", str(tmp_path))
    monkeypatch.setattr("moto.route53.models.create_route53_zone_id", lambda **_: ZONE)
    monkeypatch.setattr("moto.settings.ACM_VALIDATION_WAIT", -1)
    with LocalGitHub() as hub, ExitStack() as until:
        for name, value in hub.environment.items():
            monkeypatch.setenv(name, value)
        yield World(hub, tmp_path, until)
