"""What lets a smoke test past the sign-in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from boto3.session import Session
from moto import mock_aws

from previews.clients import Clients
from previews.errors import PreviewsError
from tests.contract.platform import PLATFORM, platform_with
from tests.previews.world import MemoryStacks, clients_of


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield Session(region_name=PLATFORM.region)


def clients(aws: Session, arn: str) -> Clients:
    made = clients_of(MemoryStacks())
    made.__dict__["platform"] = platform_with(sign_in={"bypass_secret_arn": arn})
    made.__dict__["aws"] = aws
    return made


def test_where_nobody_signs_in_there_is_none(aws: Session) -> None:
    assert clients(aws, "").bypass is None


def test_it_is_read_where_the_program_reads_it(aws: Session) -> None:
    manager = aws.client("secretsmanager")
    arn = manager.create_secret(Name="previews-bypass-tests", SecretString="let me")["ARN"]
    assert clients(aws, arn).bypass == "let me"


def test_a_secret_that_can_t_be_read_is_named(aws: Session) -> None:
    arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:previews-bypass-tests-AbCdEf"
    with pytest.raises(PreviewsError, match="previews-bypass-tests") as raised:
        assert clients(aws, arn).bypass
    assert raised.value.code == "bypass-unreadable"


def test_the_environment_s_takes_its_place(aws: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREVIEWS_BYPASS", "mine")
    assert clients(aws, "").bypass == "mine"
    assert "mine" not in repr(clients(aws, "").settings)
