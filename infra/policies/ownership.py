"""Ownership of resources: types that a preview may hold, their names and tags.

The permissions of CI, the sweep and the cost report all rely on these names and tags.
"""

from __future__ import annotations

from collections.abc import Iterator

from contract import tags
from contract.kubernetes import API_GROUP, API_VERSION, BRANCH_KIND, STACK_LABEL
from contract.stack_name import StackName
from infra.policies.buckets import BUCKET, BUCKET_POLICY, OWNERSHIP, PUBLIC_ACCESS
from infra.policies.declared import Declared, listed
from infra.policies.rule import Rule
from infra.tagging import carries, is_taggable

ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
IMAGE = "docker-build:index:Image"
NAMESPACE = "kubernetes:core/v1:Namespace"

NAMED_BY = {
    "aws:cognito/userPoolClient:UserPoolClient": "name",
    "aws:ec2/securityGroup:SecurityGroup": "name",
    ROLE: "name",
    # An inline policy is a part of its role.
    ROLE_POLICY: "role",
    "aws:rds/instance:Instance": "identifier",
    BUCKET: "bucket",
    BUCKET_POLICY: "bucket",
    OWNERSHIP: "bucket",
    PUBLIC_ACCESS: "bucket",
}
"""Property with the name of each type of AWS resource that a preview may hold."""

OBJECTS = frozenset(
    {
        "kubernetes:apps/v1:Deployment",
        "kubernetes:autoscaling/v2:HorizontalPodAutoscaler",
        "kubernetes:batch/v1:CronJob",
        "kubernetes:batch/v1:Job",
        "kubernetes:core/v1:ConfigMap",
        "kubernetes:core/v1:LimitRange",
        "kubernetes:core/v1:ResourceQuota",
        "kubernetes:core/v1:Service",
        "kubernetes:core/v1:ServiceAccount",
        "kubernetes:networking.k8s.io/v1:Ingress",
        "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        "kubernetes:policy/v1:PodDisruptionBudget",
    }
)
"""Kubernetes objects that a preview may hold, besides its namespace."""

CUSTOM_OBJECTS = frozenset(
    {
        "kubernetes:external-secrets.io/v1:ExternalSecret",
        "kubernetes:external-secrets.io/v1:SecretStore",
        "kubernetes:generators.external-secrets.io/v1alpha1:Password",
        "kubernetes:networking.k8s.aws/v1alpha1:ApplicationNetworkPolicy",
        f"kubernetes:{API_GROUP}/{API_VERSION}:{BRANCH_KIND}",
    }
)
"""Custom objects that a preview may hold; no SDK has their types."""

_OF_PULUMI = ("pulumi:", "previews:")


def belongs(name: str, stack: StackName) -> bool:
    """Return True for the stack's name or one made from it; ``pr-4`` is none of ``pr-42``'s."""
    return name == stack.name or name.startswith(f"{stack.name}-")


def preview_holds_only(resource: Declared) -> Iterator[str]:
    """Reject types that a preview does not need, such as cluster roles and users."""
    known = {*NAMED_BY, *OBJECTS, *CUSTOM_OBJECTS, NAMESPACE, IMAGE}
    if (
        resource.in_preview
        and resource.type not in known
        and not resource.type.startswith(_OF_PULUMI)
    ):
        yield "a preview may not hold this type of resource"


def named(resource: Declared) -> Iterator[str]:
    """Require that everything of a preview is named after it, or is in its namespace."""
    if not resource.in_preview:
        return
    stack = resource.stack
    if resource.type in NAMED_BY:
        key = NAMED_BY[resource.type]
        name = str(resource.get(key) or "")
        if not belongs(name, stack):
            yield f"{key} is {name!r}: expected {stack} or {stack}-…"
    elif resource.type == NAMESPACE:
        if resource.object_name != stack.namespace:
            yield f"the namespace is {resource.object_name!r}: expected {stack.namespace!r}"
    elif resource.type == IMAGE:
        yield from _misnamed_images(resource)
    elif resource.type.startswith("kubernetes:") and resource.namespace != stack.namespace:
        yield f"it is in namespace {resource.namespace!r}: expected {stack.namespace!r}"


def _misnamed_images(resource: Declared) -> Iterator[str]:
    stack = resource.stack
    for tag in listed(resource.properties, "tags"):
        repository, _, own = str(tag).rpartition(":")
        if not own.startswith(f"{stack.value}-"):
            yield f"the image's tag is {tag}: expected …:{stack.value}-…"
        if repository.partition("/")[2] != stack.app.project:
            yield f"the image's tag is {tag}: expected repository {stack.app.project}"


def tagged(resource: Declared) -> Iterator[str]:
    """Require the tags of ownership on every taggable resource, and a label on a namespace."""
    stack = resource.stack
    if resource.type == NAMESPACE:
        labels = resource.below("metadata", "labels")
        if resource.in_preview and labels.get(STACK_LABEL) != stack.name:
            yield f"label {STACK_LABEL} is not {stack}"
        return
    if not is_taggable(resource.type):
        return
    found = resource.below("tags")
    missing = [tag for tag in tags.REQUIRED if carries(resource.type, tag) and not found.get(tag)]
    if missing:
        yield f"it lacks the tags {', '.join(missing)}"
    if found.get(tags.STACK) not in {None, stack.name}:
        yield f"tag stack is {found[tags.STACK]!r}: expected {stack}"
    if resource.in_preview and found.get(tags.PULL_REQUEST) != str(stack.pull_request):
        yield f"tag pull-request is not {stack.pull_request}"


RULES = (
    Rule(
        "preview-holds-only",
        "A preview contains only the types of resources that it needs.",
        preview_holds_only,
    ),
    Rule(
        "preview-named",
        "The name of each resource of a preview begins with the preview's name.",
        named,
    ),
    Rule("tagged", "Every resource is tagged with its stack and source.", tagged),
)
