"""The platform as the program's components take it: contract/platform_outputs.py in Inputs.

`staging` fills it from its own configuration and resources, a preview from staging's outputs;
the components take it the same way from both. Each class has the fields of its counterpart in
the contract, which documents them; tests/infra/test_platform_inputs.py compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pulumi

if TYPE_CHECKING:
    from pydantic import BaseModel

    from contract.platform_outputs import PlatformOutputs

_Group = TypeVar("_Group")


@dataclass(frozen=True)
class ClusterInputs:
    """The EKS cluster that everything runs on."""

    name: pulumi.Input[str]
    security_group_id: pulumi.Input[str]
    vpc_id: pulumi.Input[str]
    oidc_provider_arn: pulumi.Input[str]
    oidc_issuer: pulumi.Input[str]
    service_cidrs: pulumi.Input[list[str]]


@dataclass(frozen=True)
class IngressInputs:
    """The load balancer that all stacks share."""

    class_name: pulumi.Input[str]
    annotations: pulumi.Input[dict[str, str]]
    group: pulumi.Input[str]
    scheme: pulumi.Input[str]
    source_cidrs: pulumi.Input[list[str]]
    protocol: pulumi.Input[str]
    port: pulumi.Input[int]
    idle_timeout_seconds: pulumi.Input[int]


@dataclass(frozen=True)
class SignInInputs:
    """The sign-in at the load balancer."""

    user_pool_arn: pulumi.Input[str]
    user_pool_domain: pulumi.Input[str]
    identity_providers: pulumi.Input[list[str]]
    bypass_secret_arn: pulumi.Input[str]


@dataclass(frozen=True)
class DatabaseInputs:
    """Staging's RDS instance, and the network of all databases."""

    instance: pulumi.Input[str]
    name: pulumi.Input[str]
    subnet_group: pulumi.Input[str]
    subnet_ids: pulumi.Input[list[str]]
    cidrs: pulumi.Input[list[str]]
    ssl_mode: pulumi.Input[str]
    scrub_rules: pulumi.Input[str]


@dataclass(frozen=True)
class BranchesInputs:
    """Shared servers, on which previews in mode ``branch`` get a clone."""

    namespace: pulumi.Input[str]
    instance_class: pulumi.Input[str]
    pool_size: pulumi.Input[int]
    app_connections: pulumi.Input[int]
    extensions: pulumi.Input[list[str]]


@dataclass(frozen=True)
class ImageInputs:
    """The registry, the image that is trusted with master passwords, and those of needs."""

    repository_url: pulumi.Input[str]
    database: pulumi.Input[str]
    redis: pulumi.Input[str]
    mail: pulumi.Input[str]


@dataclass(frozen=True)
class BoundaryInputs:
    """ARNs of the permissions boundaries of IAM roles that CI creates."""

    preview: pulumi.Input[str]
    data: pulumi.Input[str]


@dataclass(frozen=True)
class PlatformInputs:
    """The platform that a stack is declared on."""

    region: pulumi.Input[str]
    domain: pulumi.Input[str]
    cluster: ClusterInputs
    ingress: IngressInputs
    sign_in: SignInInputs
    database: DatabaseInputs
    branches: BranchesInputs
    images: ImageInputs
    boundaries: BoundaryInputs

    @classmethod
    def of(cls, published: pulumi.Output[PlatformOutputs]) -> PlatformInputs:
        """Return the platform that staging published."""
        return cls(
            region=published.apply(lambda platform: platform.region),
            domain=published.apply(lambda platform: platform.domain),
            cluster=_lifted(ClusterInputs, published.apply(lambda p: p.cluster)),
            ingress=_lifted(IngressInputs, published.apply(lambda p: p.ingress)),
            sign_in=_lifted(SignInInputs, published.apply(lambda p: p.sign_in)),
            database=_lifted(DatabaseInputs, published.apply(lambda p: p.database)),
            branches=_lifted(BranchesInputs, published.apply(lambda p: p.branches)),
            images=_lifted(ImageInputs, published.apply(lambda p: p.images)),
            boundaries=_lifted(BoundaryInputs, published.apply(lambda p: p.boundaries)),
        )

    def as_output(self) -> dict[str, pulumi.Input[object]]:
        """Return the value of staging's output ``platform``."""
        return _tree(self)


def _lifted(group: type[_Group], published: pulumi.Output[Any]) -> _Group:
    """Return a group whose fields are Outputs of the model's fields of the same names."""

    def field_of(name: str) -> pulumi.Output[Any]:
        def pick(model: BaseModel) -> Any:
            return getattr(model, name)

        return published.apply(pick)

    return group(**{field.name: field_of(field.name) for field in fields(cast("Any", group))})


def _tree(group: Any) -> dict[str, pulumi.Input[object]]:
    values = {field.name: getattr(group, field.name) for field in fields(group)}
    return {name: _tree(value) if is_dataclass(value) else value for name, value in values.items()}
