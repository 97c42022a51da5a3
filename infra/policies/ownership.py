"""Whose a resource is: what a preview may hold, and how one finds it again.

The permissions of CI, the sweep and the cost report all go by these names and tags.
"""

from __future__ import annotations

from collections.abc import Iterator

from contract.stack_name import StackName
from infra.policies.declared import Declared, listed
from infra.policies.rule import Rule
from infra.tagging import is_taggable

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
}
"""Which property names an AWS resource that a preview may hold."""

OBJECTS = frozenset(
    {
        "kubernetes:apps/v1:Deployment",
        "kubernetes:autoscaling/v2:HorizontalPodAutoscaler",
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
        "kubernetes:previews.internal/v1alpha1:DatabaseBranch",
    }
)
"""Objects of controllers that a preview may hold; no SDK knows their types."""

_OF_PULUMI = ("pulumi:", "previews:")
_TAGS = ("commit", "expires", "managed-by", "repository", "stack")


def belongs(name: str, stack: StackName) -> bool:
    """Whether a name is the stack's or one made from it; ``pr-4`` is none of ``pr-42``'s."""
    return name == stack.value or name.startswith(f"{stack.value}-")


def preview_holds_only(resource: Declared) -> Iterator[str]:
    """A preview holds what a preview needs, and no cluster role, user or bucket besides."""
    known = {*NAMED_BY, *OBJECTS, *CUSTOM_OBJECTS, NAMESPACE, IMAGE}
    if (
        resource.in_preview
        and resource.type not in known
        and not resource.type.startswith(_OF_PULUMI)
    ):
        yield "a preview may not hold this type of resource"


def named(resource: Declared) -> Iterator[str]:
    """Everything of a preview is named for it, or is in its namespace."""
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
        for tag in listed(resource.properties, "tags"):
            if not belongs(str(tag).rpartition(":")[2], stack):
                yield f"the image's tag is {tag}: expected …:{stack}-…"
    elif resource.type.startswith("kubernetes:") and resource.namespace != stack.namespace:
        yield f"it is in namespace {resource.namespace!r}: expected {stack.namespace!r}"


def tagged(resource: Declared) -> Iterator[str]:
    """Every AWS resource that takes tags says whose it is; a namespace says so by a label."""
    stack = resource.stack
    if resource.type == NAMESPACE:
        labels = resource.below("metadata", "labels")
        if resource.in_preview and labels.get("previews/stack") != stack.value:
            yield f"label previews/stack is not {stack}"
        return
    if not is_taggable(resource.type):
        return
    tags = resource.below("tags")
    missing = [tag for tag in _TAGS if not tags.get(tag)]
    if missing:
        yield f"it lacks the tags {', '.join(missing)}"
    if tags.get("stack") not in {None, stack.value}:
        yield f"tag stack is {tags['stack']!r}: expected {stack}"
    if resource.in_preview and tags.get("pull-request") != str(stack.pull_request):
        yield f"tag pull-request is not {stack.pull_request}"


RULES = (
    Rule(
        "preview-holds-only",
        "A preview holds only the types of resources that it needs.",
        preview_holds_only,
    ),
    Rule("preview-named", "Everything of a preview is named for it.", named),
    Rule("tagged", "Every resource says which stack and source it belongs to.", tagged),
)
