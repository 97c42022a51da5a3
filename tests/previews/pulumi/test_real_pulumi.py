"""What is assumed of Pulumi's own command line, shown by the real one on a folder."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from previews.clients import Clients
from previews.errors import PreviewsError
from previews.pulumi.locks import TAG, LockOwner
from previews.pulumi.recovery import recover
from previews.pulumi.resource_lookup import ResourceLookup
from previews.pulumi.stacks import Stacks

pytestmark = pytest.mark.sandbox

PROVIDER = "awskms://alias/previews-state?region=us-east-1&awssdk=v2"
_PROGRAM = """
import os
import pathlib
import pulumi
pulumi.export("token", pulumi.Output.secret("hush"))
file = pathlib.Path(os.environ["PREVIEWS_PLATFORM_OUTPUTS"])
pulumi.export("published", file.read_text())
pulumi.export("file", str(file))
"""
_PACK = """
from pulumi_policy import PolicyPack, ResourceValidationPolicy
PolicyPack("lenient", [ResourceValidationPolicy("any", "Everything is allowed.", lambda *_: None)])
"""
PUBLISHED = '{"project": "previews"}'
PENDING: dict[str, Any] = {
    "type": "creating",
    "resource": {
        "urn": "urn:pulumi:pr-42::previews::aws:rds/instance:Instance::instance",
        "type": "aws:rds/instance:Instance",
        "custom": True,
        "inputs": {"identifier": "pr-42"},
    },
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one secret output, and Pulumi on the PATH, logged in nowhere."""
    from sandbox.settings import Settings as SandboxSettings
    from sandbox.tools import ensure

    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: previews\nruntime: python\n")
    (folder / "__main__.py").write_text(_PROGRAM)
    tools = ensure(SandboxSettings(home=tmp_path / "home"))
    monkeypatch.setenv("PREVIEWS_POLICY_PACK", str(_policy_pack(tmp_path)))
    path = [str(tools.bin), str(Path(sys.executable).parent), os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(path))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi"))
    monkeypatch.setenv("PULUMI_SKIP_UPDATE_CHECK", "true")
    monkeypatch.setenv("PREVIEWS_PROJECT", str(folder))
    monkeypatch.setenv("GITHUB_RUN_ID", "77")
    return folder


def _policy_pack(folder: Path) -> Path:
    """A program that serves a pack which allows the secret output, where the project's does not."""
    (folder / "pack.py").write_text(_PACK)
    program = folder / "serve-policies"
    program.write_text(f'#!/bin/sh\nexec python3 -P -u -m pulumi.policy "$1" {folder}/pack.py\n')
    program.chmod(0o755)
    return program


@pytest.fixture
def clients(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clients:
    """State in a folder, its secrets kept by a passphrase."""
    (tmp_path / "backend").mkdir()
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path}/backend?metadata=skip")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "only-for-tests")
    return Clients()


@pytest.fixture
def bucket(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    """State in a bucket, its secrets kept by a key of KMS."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "us-east-1",
        "PULUMI_BACKEND_URL": "s3://acme-state?region=us-east-1&awssdk=v2",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="acme-state")
        kms = boto3.client("kms", region_name="us-east-1")
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName="alias/previews-state", TargetKeyId=key)
        (project / "Pulumi.staging.yaml").write_text(f"secretsprovider: {PROVIDER}\n")
        clients = Clients()
        published = {"pr-42": PUBLISHED}.__getitem__
        clients.__dict__["stacks"] = Stacks(clients.settings, published=published)
        yield clients
    finally:
        server.stop()


def test_a_stack_comes_is_noted_locked_and_goes(clients: Clients, tmp_path: Path) -> None:
    stacks, locks = clients.stacks, clients.locks
    stacks.create("pr-42")
    stacks.create("pr-42")
    assert (stacks.exists("pr-42"), stacks.exists("pr-43")) == (True, False)
    assert [summary.name for summary in stacks.all()] == ["pr-42"]
    locks.record_owner("pr-42")
    owner = LockOwner.parse(stacks.tags("pr-42")[TAG])
    assert owner is not None
    assert owner.run == 77

    folder = tmp_path / "backend" / ".pulumi" / "locks" / "organization" / "previews" / "pr-42"
    folder.mkdir(parents=True, exist_ok=True)
    at = datetime.now(UTC).isoformat()
    held = {"pid": 1, "username": "ci", "hostname": socket.gethostname(), "timestamp": at}
    (folder / "held.json").write_text(json.dumps(held))
    with pytest.raises(PreviewsError) as raised:
        stacks.destroy("pr-42")
    assert raised.value.code == "stack-locked"
    (lock,) = locks.of("pr-42")
    assert owner.owns(lock)
    (folder / "held.json").unlink()

    stacks.destroy("pr-42")
    stacks.remove("pr-42")
    assert not stacks.exists("pr-42")


def test_a_creation_that_is_proven_absent_is_no_longer_pending(
    clients: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stacks = clients.stacks
    stacks.create("pr-42")
    # As a killed run leaves it: `pulumi stack import` would drop what is pending.
    file = tmp_path / "backend" / ".pulumi" / "stacks" / "previews" / "pr-42.json"
    document = json.loads(file.read_text())
    document["checkpoint"]["latest"]["pending_operations"] = [PENDING]
    file.write_text(json.dumps(document))
    assert len(stacks.state("pr-42").pending) == 1

    monkeypatch.setattr(ResourceLookup, "identify", lambda *_: "")
    absent = ResourceLookup(
        "pr-42", aws=lambda: cast("Any", None), cluster=lambda: cast("Any", None)
    )
    recovered = recover("pr-42", stacks=stacks, lookup=lambda: absent)
    assert recovered.absent == [PENDING["resource"]["urn"]]
    assert stacks.state("pr-42").pending == []


def test_a_bucket_with_a_key_of_kms_does_as_well(bucket: Clients, project: Path) -> None:
    stacks, locks = bucket.stacks, bucket.locks
    s3 = boto3.client("s3", region_name="us-east-1")
    for run in range(2):
        # Each run of a workflow has a checkout of its own, without the preview's file.
        (project / "Pulumi.pr-42.yaml").unlink(missing_ok=True)
        stacks.create("pr-42")
        locks.record_owner("pr-42")
        stacks.up("pr-42")
        assert [summary.name for summary in stacks.all()] == ["pr-42"], run
    state = s3.get_object(Bucket="acme-state", Key=".pulumi/stacks/previews/pr-42.json")["Body"]
    text = state.read().decode()
    assert json.loads(text)["checkpoint"]["latest"]["secrets_providers"]["state"]["url"] == PROVIDER
    assert "hush" not in text
    outputs = stacks.outputs("pr-42")
    assert outputs["published"] == PUBLISHED
    assert not Path(outputs["file"]).exists()

    # A comparison knows the stack's key from its state: it may decrypt, and makes no new one.
    file = project / "Pulumi.pr-42.yaml"
    file.unlink(missing_ok=True)
    compared = stacks.preview("pr-42", [])
    assert compared.code == 0, compared.error
    written = s3.get_object(Bucket="acme-state", Key=".pulumi/stacks/previews/pr-42.json")["Body"]
    assert written.read().decode() == text
    kept = json.loads(text)["checkpoint"]["latest"]["secrets_providers"]["state"]
    named = {"secretsprovider": PROVIDER, "encryptedkey": kept["encryptedkey"]}
    assert yaml.safe_load(file.read_text()) == named

    at = datetime.now(UTC).isoformat()
    held = {"pid": 1, "username": "ci", "hostname": socket.gethostname(), "timestamp": at}
    key = ".pulumi/locks/organization/previews/pr-42/held.json"
    s3.put_object(Bucket="acme-state", Key=key, Body=json.dumps(held))
    with pytest.raises(PreviewsError) as raised:
        stacks.destroy("pr-42")
    assert raised.value.code == "stack-locked"
    owner = LockOwner.parse(stacks.tags("pr-42")[TAG])
    assert owner is not None
    (lock,) = locks.of("pr-42")
    assert owner.owns(lock)
    s3.delete_object(Bucket="acme-state", Key=key)

    (project / "Pulumi.pr-42.yaml").unlink()
    stacks.refresh("pr-42")
    stacks.destroy("pr-42")
    stacks.remove("pr-42")
    assert not stacks.exists("pr-42")
