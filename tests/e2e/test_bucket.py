"""An app with a bucket and a secret of its team's: two previews of the board beside each other."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.aws.identity import ACCOUNT, REGION
from tests.e2e.inventory import everything
from tests.e2e.world import World

BOARD = "tests/apps/board"
ONE, OTHER = "61", "62"
SECRET, KEY = "moderator-key", "only-moderators-know-5c1f"
MANAGED = f"previews/board/{SECRET}"
SHOWN = {"content-type": "image/png"}
PICTURE = bytes(range(256)) * 400


@pytest.fixture(scope="module")
def moderated(world: World) -> World:
    """The board with a secret, before anything of it is made."""
    file = world.checkout / BOARD / "preview.yaml"
    file.write_text(f"{file.read_text()}secrets: {{MODERATOR_KEY: {{name: {SECRET}}}}}\n")
    return world


@pytest.fixture(scope="module")
def boards(moderated: World) -> Iterator[World]:
    """Two previews, up, once the secret has a value."""
    set_secret(moderated, SECRET, f"{KEY}\n")
    for number in (ONE, OTHER):
        moderated.sandbox("--app", BOARD, "preview", number)
    yield moderated
    for number in (ONE, OTHER):
        moderated.sandbox("--app", BOARD, "destroy", number)


def set_secret(world: World, name: str, value: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "sandbox.cli", "--app", BOARD, "secret", "set", name],
        cwd=world.checkout,
        env=world.environment,
        input=value,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert KEY not in ended.stdout + ended.stderr


def of_board(world: World) -> set[str]:
    return {line for line in everything(world) if "board" in line}


def assumed(world: World, namespace: str, account: str, service: str) -> Any:
    """Return a client of AWS as a pod with a service account has it."""
    found = world.kubectl("get", "serviceaccount", account, "--namespace", namespace)
    token = world.run(
        *("kubectl", "create", "token", account, "--namespace", namespace),
        *("--audience", "sts.amazonaws.com"),
    )
    anyone = boto3.client(
        "sts",
        endpoint_url=world.settings.aws_endpoint,
        region_name=REGION,
        config=Config(signature_version=UNSIGNED),
    )
    credentials = anyone.assume_role_with_web_identity(
        RoleArn=found["metadata"]["annotations"]["eks.amazonaws.com/role-arn"],
        RoleSessionName="test",
        WebIdentityToken=token.split()[-1],
    )["Credentials"]
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=world.settings.aws_endpoint,
        region_name=REGION,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def test_a_secret_without_a_value_is_named_before_anything_is_made(moderated: World) -> None:
    before = of_board(moderated)
    output = moderated.sandbox("--app", BOARD, "preview", ONE, fails=True)
    assert "MODERATOR_KEY has no value" in output
    assert f"secret set {SECRET}" in output
    assert of_board(moderated) == before


def test_a_picture_is_one_preview_s_own_and_stays_over_a_push(boards: World) -> None:
    with boards.client(f"board-pr-{ONE}") as one, boards.client(f"board-pr-{OTHER}") as other:
        assert one.put("/pictures/a.png", content=PICTURE, headers=SHOWN).status_code == 201
        assert other.get("/pictures/a.png").status_code == 404
    source = boards.checkout / BOARD / "server.js"
    source.write_text(source.read_text().replace('"/" ? 200 : 404', '"/" ? 200 : 410'))
    boards.sandbox("--app", BOARD, "push", ONE)
    with boards.client(f"board-pr-{ONE}") as one:
        assert one.get("/nothing").status_code == 410
        found = one.get("/pictures/a.png")
        assert (found.content, found.headers["content-type"]) == (PICTURE, "image/png")


def test_another_preview_s_role_reads_none_of_it(boards: World) -> None:
    bucket = f"board-pr-{ONE}-{ACCOUNT}"
    own = assumed(boards, f"board-pr-{ONE}", "app", "s3")
    own.put_object(Bucket=bucket, Key="b.txt", Body=b"mine")
    other = assumed(boards, f"board-pr-{OTHER}", "app", "s3")
    for call in (
        lambda: other.get_object(Bucket=bucket, Key="b.txt"),
        lambda: other.list_objects_v2(Bucket=bucket),
        lambda: other.delete_object(Bucket=bucket, Key="b.txt"),
        lambda: own.delete_bucket(Bucket=bucket),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            call()
    assert own.get_object(Bucket=bucket, Key="b.txt")["Body"].read() == b"mine"


def test_the_app_has_the_secret_and_no_other_role_reads_it(boards: World) -> None:
    with boards.client(f"board-pr-{ONE}") as one:
        note = one.post("/notes", json={"text": "rude"}).json()
        path = f"/notes/{note['id']}"
        assert one.delete(path, headers={"x-moderator": "guessed"}).status_code == 403
        assert one.delete(path, headers={"x-moderator": KEY}).status_code == 200

    namespace = f"board-pr-{ONE}"
    reader = assumed(boards, namespace, "app-secrets", "secretsmanager")
    assert reader.get_secret_value(SecretId=MANAGED)["SecretString"] == KEY
    others = boards.kubectl("get", "serviceaccounts", "--all-namespaces")["items"]
    tried = 0
    for account in others:
        metadata = account["metadata"]
        has_role = "eks.amazonaws.com/role-arn" in metadata.get("annotations", {})
        if not has_role or metadata["name"] == "app-secrets":
            continue
        other = assumed(boards, metadata["namespace"], metadata["name"], "secretsmanager")
        with pytest.raises(ClientError, match="AccessDenied"):
            other.get_secret_value(SecretId=MANAGED)
        tried += metadata["namespace"] == "staging"
    # Another app's: the sample's staging.
    assert tried
    state = boards.settings.home / "pulumi" / "state" / ".pulumi" / "stacks" / "board"
    assert KEY not in "".join(file.read_text() for file in state.glob("*.json"))
    assert KEY not in json.dumps(boards.kubectl("get", "pods", "--namespace", namespace))


def test_one_goes_with_its_files_while_the_other_lives(boards: World) -> None:
    with boards.client(f"board-pr-{OTHER}") as other:
        assert other.put("/pictures/c.png", content=b"c", headers=SHOWN).status_code == 201
    before = {line for line in of_board(boards) if f"board-pr-{OTHER}" in line}
    assert f"aws s3:bucket board-pr-{ONE}-{ACCOUNT}" in of_board(boards)
    boards.sandbox("--app", BOARD, "destroy", ONE)
    left = of_board(boards)
    assert {line for line in left if f"board-pr-{ONE}" in line} == set()
    assert {line for line in left if f"board-pr-{OTHER}" in line} == before
    with boards.client(f"board-pr-{OTHER}") as other:
        assert other.get("/pictures/c.png").content == b"c"
