"""What is encrypted by which key, and the warning before previews get dear."""

from __future__ import annotations

from typing import Any

from contract.stack_name import StackName
from infra.stacks import main
from infra.tagging import stack_tags
from tests.infra.test_tagging import SOURCE
from tests.infra.world import STAGING_CONFIG, Deployment, deploy

KEY = "aws:kms/key:Key"
BUDGET = "aws:budgets/budget:Budget"
DATA_KEY = "arn:aws:kms:eu-west-1:123456789012:key/data-key"


def test_every_key_is_renewed_and_not_deleted_at_once(new_staging: Deployment) -> None:
    keys = {r.name: r.inputs for r in new_staging.registrations if r.type == KEY}
    assert set(keys) == {"data-key", "cluster-secrets-key"}
    for key in keys.values():
        assert (key["enableKeyRotation"], key["deletionWindowInDays"]) == (True, 30)
        # KMS's own default then hands the decision to IAM.
        assert "policy" not in key


def test_people_know_the_keys_by_name(new_staging: Deployment) -> None:
    aliases = {
        r.inputs["name"] for r in new_staging.registrations if r.type == "aws:kms/alias:Alias"
    }
    assert aliases == {"alias/previews-data", "alias/lab-cluster-secrets"}


def test_images_and_databases_are_encrypted_by_it(staging: Deployment) -> None:
    assert staging.one("aws:rds/instance:Instance").inputs["kmsKeyId"] == DATA_KEY
    for name in ("images", "database-registry-images"):
        repository = staging.one("aws:ecr/repository:Repository", name).inputs
        assert repository["encryptionConfigurations"] == [
            {"encryptionType": "KMS", "kmsKey": DATA_KEY}
        ]


def test_a_preview_names_no_key_since_its_snapshot_does(preview: Deployment) -> None:
    assert "kmsKeyId" not in preview.one("aws:rds/instance:Instance").inputs


def budget(**config: Any) -> Deployment:
    return deploy("staging", main, config=STAGING_CONFIG | {"budget": config})


def test_nobody_is_warned_unless_they_ask(staging: Deployment) -> None:
    assert not [r for r in staging.registrations if r.type == BUDGET]


def test_the_budget_is_over_what_previews_are_tagged_with() -> None:
    asked = budget(monthlyUsd=300, emails=["a@example.com"]).one(BUDGET).inputs
    (filter_,) = asked["costFilters"]
    (value,) = filter_["values"]
    tag, _, kind = value.removeprefix("user:").partition("$")
    assert filter_["name"] == "TagKeyValue"
    assert stack_tags(StackName.parse("pr-42"), SOURCE)[tag] == kind
    assert stack_tags(StackName.parse("staging"), SOURCE)[tag] != kind
    assert (asked["limitAmount"], asked["limitUnit"], asked["timeUnit"]) == (
        "300",
        "USD",
        "MONTHLY",
    )


def test_it_warns_before_and_when_a_month_is_going_to_exceed_it() -> None:
    asked = budget(monthlyUsd=300, emails=["a@example.com"]).one(BUDGET).inputs
    assert [(n["notificationType"], n["threshold"]) for n in asked["notifications"]] == [
        ("ACTUAL", 80),
        ("FORECASTED", 100),
    ]
    assert {tuple(n["subscriberEmailAddresses"]) for n in asked["notifications"]} == {
        ("a@example.com",)
    }
