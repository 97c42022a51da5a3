"""Which resources are tagged, and with what."""

from __future__ import annotations

import pulumi
import pytest
from pulumi_aws import budgets, cognito, iam

from contract.stack_name import StackName
from infra.policies.ownership import tagged
from infra.source import Source
from infra.tagging import WITHOUT_COMMIT, is_taggable, stack_tags, tag_every_resource
from tests.infra.policies.resources import one
from tests.infra.world import deploy

SOURCE = Source(commit="8f1d6c2", repository="acme/orders", expires="2030-01-31T12:00:00Z")


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("aws:rds/instance:Instance", True),
        ("aws:ec2/securityGroup:SecurityGroup", True),
        ("aws:ecr/repository:Repository", True),
        ("aws:iam/role:Role", True),
        ("aws:eks/cluster:Cluster", True),
        ("aws:iam/rolePolicy:RolePolicy", False),
        ("aws:ecr/lifecyclePolicy:LifecyclePolicy", False),
        # Its tags are a list of objects.
        ("aws:autoscaling/group:Group", False),
        ("kubernetes:core/v1:Namespace", False),
        ("docker-build:index:Image", False),
        ("pulumi:providers:aws", False),
        ("pulumi:pulumi:Stack", False),
        ("previews:service:ServiceStack", False),
        ("aws:rds/instance:NoSuchThing", False),
    ],
)
def test_exactly_what_takes_tags_is_tagged(token: str, *, expected: bool) -> None:
    assert is_taggable(token) is expected


def test_the_tags_of_a_preview() -> None:
    assert stack_tags(StackName.parse("pr-42"), SOURCE) == {
        "managed-by": "pulumi",
        "kind": "preview",
        "stack": "pr-42",
        "pull-request": "42",
        "repository": "acme/orders",
        "commit": "8f1d6c2",
        "expires": "2030-01-31T12:00:00Z",
    }


def test_staging_belongs_to_no_pull_request() -> None:
    assert "pull-request" not in stack_tags(StackName.parse("staging"), SOURCE)


def test_tags_of_its_own_stay_but_cannot_say_that_it_is_another_stacks() -> None:
    def program() -> None:
        tag_every_resource(StackName.parse("pr-42"), SOURCE)
        iam.Role(
            "role",
            name="role",
            assume_role_policy="{}",
            tags={"stack": "staging", "team": "orders"},
        )

    tags = deploy("pr-42", program).one("aws:iam/role:Role").inputs["tags"]
    assert tags["stack"] == "pr-42"
    assert tags["team"] == "orders"


def test_the_resources_of_a_component_are_reached() -> None:
    class Box(pulumi.ComponentResource):
        def __init__(self) -> None:
            super().__init__("previews:test:Box", "box")
            iam.Role(
                "role",
                name="role",
                assume_role_policy="{}",
                opts=pulumi.ResourceOptions(parent=self),
            )

    def program() -> None:
        tag_every_resource(StackName.parse("pr-42"), SOURCE)
        Box()

    assert deploy("pr-42", program).one("aws:iam/role:Role").inputs["tags"]["stack"] == "pr-42"


def test_a_push_changes_no_budget_and_no_user_pool() -> None:
    """Their tags are changed by `UpdateBudget` and `UpdateUserPool`, with everything else."""

    def program() -> None:
        tag_every_resource(StackName.parse("staging"), SOURCE)
        budgets.Budget("budget", budget_type="COST", time_unit="MONTHLY")
        cognito.UserPool("pool")

    stack = deploy("staging", program)
    for type_ in WITHOUT_COMMIT:
        found = stack.one(type_).inputs["tags"]
        assert "commit" not in found
        assert {"stack", "repository", "kind"} <= found.keys()
        assert list(tagged(one(stack, type_))) == []
    assert {r.type for r in stack.registrations if "tags" in r.inputs} == WITHOUT_COMMIT
