from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from previews.errors import PreviewsError
from previews.pulumi.stacks import Stacks
from previews.pulumi.state_bucket import StateBucket, state_bucket
from previews.settings import Settings

FILES = (
    "meta.yaml",
    "stacks/previews/pr-42.json",
    "stacks/previews/pr-42.json.bak",
    "stacks/previews/pr-42.pulumi-tags",
    "stacks/previews/staging.json.gz",
    "stacks/previews-two/pr-7.json",
    "stacks/orders/pr-8.json",
    "backups/previews/pr-43/pr-43.1.json",
    "locks/organization/previews/pr-44/a.json",
)


@pytest.fixture(params=["", "team/folder"], ids=["root", "folder"])
def url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket whose files can be listed and not read."""
    with mock_aws():
        s3: Any = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="acme-state")
        for file in FILES:
            key = "/".join(filter(None, (request.param, ".pulumi", file)))
            s3.put_object(Bucket="acme-state", Key=key, Body=b"unreadable")
        url = f"s3://acme-state/{request.param}?region=us-east-1&awssdk=v2"
        monkeypatch.setenv("PULUMI_BACKEND_URL", url)
        # Whoever asks Pulumi reads each stack's whole state.
        monkeypatch.setenv("PATH", "")
        yield url


def test_the_stacks_of_a_project_are_the_names_of_its_files(url: str) -> None:
    listed = StateBucket(url).stacks("previews")
    assert [stack["name"] for stack in listed] == [
        "organization/previews/pr-42",
        "organization/previews/staging",
    ]


def test_stacks_are_listed_without_reading_their_states(url: str) -> None:
    stacks = Stacks(Settings.read(environment=""))
    listed = stacks.all()
    assert [summary.name for summary in listed] == ["pr-42", "staging"]
    assert all(summary.last_update is not None for summary in listed)
    assert sorted(str(stack.name) for stack in stacks.of_all_apps()) == [
        "orders-pr-8",
        "pr-42",
        "staging",
    ]


def test_a_bucket_that_can_not_be_listed_is_named(url: str) -> None:
    with pytest.raises(PreviewsError, match=r"s3://others-state: .*NoSuchBucket"):
        StateBucket(url.replace("acme-", "others-")).stacks()


@pytest.mark.parametrize("backend", ["", "https://api.pulumi.com", "file:///tmp/state"])
def test_other_backends_are_no_bucket(backend: str) -> None:
    assert state_bucket(backend) is None
