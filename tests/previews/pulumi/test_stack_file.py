"""The secrets provider of a preview, which is staging's."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from previews.errors import PreviewsError
from previews.pulumi import stack_file
from previews.pulumi.state import EncryptedKey

KMS = "awskms://alias/previews-state"


def test_where_staging_says_nothing_the_backend_keeps_them(tmp_path: Path) -> None:
    assert stack_file.read_secrets_provider(tmp_path, "staging") == ""
    (tmp_path / "Pulumi.staging.yaml").write_text("config: {}\n")
    assert stack_file.read_secrets_provider(tmp_path, "staging") == ""
    (tmp_path / "Pulumi.staging.yaml").write_text("")
    assert stack_file.read_secrets_provider(tmp_path, "staging") == ""


def test_a_preview_has_staging_s(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.staging.yaml").write_text(f"secretsprovider: {KMS}\nencryptedkey: AQ==\n")
    stack_file.set_secrets_provider(
        tmp_path, "pr-42", stack_file.read_secrets_provider(tmp_path, "staging")
    )
    assert yaml.safe_load((tmp_path / "Pulumi.pr-42.yaml").read_text()) == {"secretsprovider": KMS}


@pytest.mark.parametrize(
    "text",
    [b"a: {{x}}", b"a: 2024-02-30", b"a: 0x_", b"a: " + b"9" * 5000, b"\xff", b"- a", b"[" * 3000],
)
def test_a_file_that_can_t_be_read_is_named(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "Pulumi.staging.yaml").write_bytes(text)
    with pytest.raises(PreviewsError) as caught:
        stack_file.read_secrets_provider(tmp_path, "staging")
    assert caught.value.code == "pulumi-file"
    assert str(tmp_path / "Pulumi.staging.yaml") in str(caught.value)


def test_what_a_stack_s_file_says_stays(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.pr-42.yaml"
    file.write_text("config:\n  previews:ttlDays: 3\n")
    for _ in range(2):
        stack_file.set_secrets_provider(tmp_path, "pr-42", KMS)
    said = {"secretsprovider": KMS, "config": {"previews:ttlDays": 3}}
    assert yaml.safe_load(file.read_text()) == said
    stack_file.set_secrets_provider(tmp_path, "pr-42", "awskms://alias/another")
    assert yaml.safe_load(file.read_text()) == said


def test_a_comparison_has_the_key_of_the_state_beside_what_the_file_says(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.pr-42.yaml"
    file.write_text("secretsprovider: passphrase\nconfig:\n  previews:ttlDays: 3\n")
    for _ in range(2):
        stack_file.set_key(tmp_path, "pr-42", EncryptedKey(KMS, "AQ=="))
    assert yaml.safe_load(file.read_text()) == {
        "secretsprovider": KMS,
        "encryptedkey": "AQ==",
        "config": {"previews:ttlDays": 3},
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("encryptionsalt: v1:abc\n", None),
        (
            "encryptionsalt: v1:abc\nconfig:\n  previews:ttlDays: 3\n",
            "config:\n  previews:ttlDays: 3\n",
        ),
        ("config:\n  previews:ttlDays: 3\n", "config:\n  previews:ttlDays: 3\n"),
    ],
)
def test_a_new_stack_starts_without_the_salt_of_a_former_one(
    tmp_path: Path, before: str, after: str | None
) -> None:
    file = tmp_path / "Pulumi.pr-42.yaml"
    file.write_text(before)
    stack_file.remove_salt(tmp_path, "pr-42")
    assert (file.read_text() if file.exists() else None) == after
