"""The platform as staging publishes it: the model of the stack output ``platform``.

``infra`` publishes it and reads it for previews, ``previews`` reads it for the lifecycle. The
program's own form of it, in which a value may still be an Output, is
infra/platform_inputs.py; a test compares the two field by field.

Staging publishes it twice: as stack outputs, and as a ConfigMap for those who may not read
staging's state, which holds more (docs/decisions/0050-outputs-are-published-in-the-cluster.md).
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

OUTPUT = "platform"
"""Name of the stack output that holds `PlatformOutputs`."""

APPS_OUTPUT = "apps"
"""Name of the platform's stack output with `BoundaryOutputs` for each other app, by its name."""

CONFIG_MAP = "platform-outputs"
"""ConfigMap in staging's namespace with `PublishedOutputs`. It holds no secret."""

CONFIG_MAP_KEY = "outputs.json"
"""Its only key."""

OUTPUTS_VARIABLE = "PREVIEWS_PLATFORM_OUTPUTS"
"""Environment variable of the program: path of a file with the text of `CONFIG_MAP_KEY`."""

BYPASS_HEADER = "x-preview-bypass"
"""HTTP header with the value of `SignInOutputs.bypass_secret_arn`, which lets a test in."""


class PlatformOutputsError(ValueError):
    """Published outputs that are not a complete `PlatformOutputs`.

    Attributes:
        lacking: Dotted names of the fields that are missing or have another type; empty when
            nothing was published.
    """

    def __init__(self, lacking: tuple[str, ...]) -> None:
        super().__init__(f"it lacks {', '.join(lacking)}" if lacking else "it is empty")
        self.lacking = lacking


def _whole(value: object) -> object:
    """Undo Pulumi's encoding: numbers of another stack arrive as floats."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Text = Annotated[str, Field(min_length=1)]
WholeNumber = Annotated[int, BeforeValidator(_whole)]


class _Model(BaseModel):
    """Frozen and strict. Unknown keys are ignored: staging may be newer than the reader."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class ClusterOutputs(_Model):
    """The EKS cluster that everything runs on.

    Attributes:
        name: Name of the cluster, and of the kubeconfig's context for it.
        security_group_id: Security group of the cluster's nodes and pods.
        vpc_id: The cluster's VPC.
        oidc_provider_arn: IAM identity provider of the cluster's service accounts.
        oidc_issuer: Issuer of that provider, without ``https://``.
        service_cidrs: Networks of Services, the cluster's name server among them.
    """

    name: Text
    security_group_id: str
    vpc_id: str
    oidc_provider_arn: str
    oidc_issuer: str
    service_cidrs: list[str]


class IngressOutputs(_Model):
    """The load balancer that all stacks share.

    Attributes:
        class_name: IngressClass that each stack's Ingress names.
        annotations: Annotations of each Ingress about the load balancer.
        group: Name of the group of Ingresses that share the load balancer.
        scheme: ``internal`` or ``internet-facing``.
        source_cidrs: Networks from which the load balancer reaches the pods.
        protocol: ``HTTP`` or ``HTTPS``.
        port: Port that the load balancer listens on.
        idle_timeout_seconds: Longest silence of a connection.
    """

    class_name: str
    annotations: dict[str, str]
    group: str
    scheme: str
    source_cidrs: list[str]
    protocol: str
    port: WholeNumber
    idle_timeout_seconds: WholeNumber


class SignInOutputs(_Model):
    """The sign-in at the load balancer.

    Attributes:
        user_pool_arn: User pool that people sign in to; empty where nobody signs in.
        user_pool_domain: Prefix of that user pool's domain.
        identity_providers: Providers of the user pool that people may come from.
        bypass_secret_arn: Secret whose value lets a test in without signing in; empty for none.
    """

    user_pool_arn: str
    user_pool_domain: str
    identity_providers: list[str]
    bypass_secret_arn: str


class DatabaseOutputs(_Model):
    """Staging's RDS instance, and the network of all databases.

    Attributes:
        instance: Identifier of staging's RDS instance, whose snapshots are restored.
        name: Name of the database inside an instance.
        subnet_group: RDS subnet group of this app.
        subnet_ids: Its subnets, in which another app's staging makes one of its own.
        cidrs: Networks of the databases' addresses.
        ssl_mode: libpq's ``sslmode`` towards every database.
        scrub_rules: Text of the app's rules of the scrub, of the default branch.
    """

    instance: str
    name: str
    subnet_group: str
    subnet_ids: list[str]
    cidrs: list[str]
    ssl_mode: str
    scrub_rules: Text


class BranchesOutputs(_Model):
    """Shared servers, on which previews in mode ``branch`` get a clone.

    Attributes:
        namespace: Namespace of the branch controller; empty where the mode is off.
        instance_class: Class of the shared RDS instances.
        pool_size: A quarter of `app_connections`, for previews whose program is of an older
            version.
        app_connections: The most connections of one preview's pods together.
        extensions: Extensions of PostgreSQL that each clone has.
    """

    namespace: str
    instance_class: str
    pool_size: WholeNumber
    app_connections: WholeNumber
    extensions: list[str]


class ImageOutputs(_Model):
    """The registry, the image that is trusted with master passwords, and those of needs.

    Attributes:
        repository_url: ECR repository of the app's images, without a tag.
        database: Image that prepares databases, from the default branch, by digest.
        redis: Image of Redis, for apps that need it; empty where nodes reach none.
        mail: Image of the mail server, likewise.
    """

    repository_url: str
    database: str
    redis: str
    mail: str

    @property
    def repository(self) -> str:
        """Name of the ECR repository."""
        return self.repository_url.partition("/")[2]


class BoundaryOutputs(_Model):
    """ARNs of the permissions boundaries of IAM roles that CI creates; empty without CI.

    Attributes:
        preview: Boundary of the roles of previews.
        data: Boundary of the roles of shared servers.
    """

    preview: str
    data: str


class PlatformOutputs(_Model):
    """All that staging publishes for other stacks and for the lifecycle around them.

    Attributes:
        region: AWS region of everything.
        domain: Domain under which each stack has a name.
        cluster: The EKS cluster.
        ingress: The shared load balancer.
        sign_in: The sign-in at the load balancer.
        database: Staging's database.
        branches: Shared servers of mode ``branch``.
        images: The registry.
        boundaries: Permissions boundaries.
    """

    region: Text
    domain: Text
    cluster: ClusterOutputs
    ingress: IngressOutputs
    sign_in: SignInOutputs
    database: DatabaseOutputs
    branches: BranchesOutputs
    images: ImageOutputs
    boundaries: BoundaryOutputs

    @classmethod
    def read(cls, published: object) -> PlatformOutputs:
        """Return the outputs from the value of the stack output ``platform``.

        Raises:
            PlatformOutputsError: A field is missing or has another type.
        """
        if not published or not isinstance(published, dict):
            raise PlatformOutputsError(())
        try:
            return cls.model_validate(published)
        except ValidationError as error:
            found = (".".join(map(str, detail["loc"])) for detail in error.errors())
            raise PlatformOutputsError(tuple(dict.fromkeys(found))) from error


class PublishedOutputs(_Model):
    """Content of `CONFIG_MAP_KEY`.

    Attributes:
        project: Pulumi project of the stack ``staging`` that published it.
        platform: Value of its output `OUTPUT`.
        apps: Value of its output `APPS_OUTPUT`; empty but for the platform's own project.
    """

    project: Text
    platform: dict[str, Any]
    apps: dict[str, BoundaryOutputs] = {}
