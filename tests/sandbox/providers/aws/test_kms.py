"""Keys and their names, and what is encrypted by them."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from sandbox.errors import SandboxError
from sandbox.providers.values import Properties
from tests.sandbox.providers.aws.conftest import Engine

KEY = "aws:kms/key:Key"
ALIAS = "aws:kms/alias:Alias"
REPOSITORY = "aws:ecr/repository:Repository"


@pytest.fixture
def key() -> Properties:
    return {
        "description": f"for {uuid.uuid4().hex}",
        "enableKeyRotation": True,
        "deletionWindowInDays": 30,
        "tags": {"stack": "staging", "commit": "a"},
    }


async def test_a_key_reads_back_as_it_was_asked_for(engine: Engine, key: Properties) -> None:
    made = await engine.create(KEY, **key)
    assert made.outputs["arn"].endswith(f":key/{made.identity}")
    found = await engine.read(KEY, made.identity, key, made.outputs)
    assert found is not None
    assert found.inputs == key
    assert found.outputs == made.outputs


async def test_a_keys_settings_change_in_place(engine: Engine, key: Properties) -> None:
    made = await engine.create(KEY, **key)
    new = {
        **key,
        "description": "other",
        "enableKeyRotation": False,
        "tags": {"stack": "staging", "expires": "never"},
    }
    outputs = await engine.update(KEY, made.identity, key, made.outputs, new)
    assert {name: outputs[name] for name in new} == new
    assert (await engine.read(KEY, made.identity, new, outputs)) is not None


async def test_a_deleted_key_is_gone_though_aws_keeps_it_for_a_month(
    engine: Engine, key: Properties, boto: Any
) -> None:
    made = await engine.create(KEY, **key)
    for _ in range(2):
        await engine.delete(KEY, made.identity, key)
        assert await engine.read(KEY, made.identity, key, made.outputs) is None
    state = boto("kms").describe_key(KeyId=made.identity)["KeyMetadata"]["KeyState"]
    assert state == "PendingDeletion"


async def test_a_name_leads_to_a_key_and_then_to_another(engine: Engine, key: Properties) -> None:
    first, second = [await engine.create(KEY, **key) for _ in range(2)]
    old = {"name": f"alias/{uuid.uuid4().hex}", "targetKeyId": first.identity}
    made = await engine.create(ALIAS, **old)
    assert made.identity == old["name"]
    found = await engine.read(ALIAS, made.identity, old, made.outputs)
    assert found is not None
    assert found.inputs == old
    new = {**old, "targetKeyId": second.identity}
    outputs = await engine.update(ALIAS, made.identity, old, made.outputs, new)
    assert outputs["targetKeyId"] == second.identity
    for _ in range(2):
        await engine.delete(ALIAS, made.identity, new)
    assert await engine.read(ALIAS, made.identity, new, outputs) is None


async def test_a_name_that_another_key_has_is_not_taken_from_it(
    engine: Engine, key: Properties
) -> None:
    first, second = [await engine.create(KEY, **key) for _ in range(2)]
    name = f"alias/{uuid.uuid4().hex}"
    await engine.create(ALIAS, name=name, targetKeyId=first.identity)
    with pytest.raises(SandboxError, match="AlreadyExists"):
        await engine.create(ALIAS, name=name, targetKeyId=second.identity)


async def test_a_repository_is_encrypted_by_a_key(engine: Engine, key: Properties) -> None:
    arn = (await engine.create(KEY, **key)).outputs["arn"]
    wanted = {
        "name": f"n{uuid.uuid4().hex[:10]}",
        "encryptionConfigurations": [{"encryptionType": "KMS", "kmsKey": arn}],
        "tags": {"stack": "staging"},
    }
    made = await engine.create(REPOSITORY, **wanted)
    found = await engine.read(REPOSITORY, made.identity, wanted, made.outputs)
    assert found is not None
    assert found.inputs == wanted
