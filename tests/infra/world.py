"""A cloud that answers the program, and a record of what the program asked of it.

Pulumi's mocks show a resource's inputs alone. Order is half of what this program promises, so
the monitor here also keeps the options of every registration, and runs the transforms as the
engine would.
"""

# Pulumi's mocks, and messages of its protocol, have no precise types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import contextvars
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pulumi
from pulumi.runtime import mocks, set_all_config, set_mocks
from pulumi.runtime.settings import SETTINGS, get_root_resource
from pulumi.runtime.stack import run_pulumi_func

from tests.infra import answers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PROJECT = "previews"

SERVICE_CONFIG = {
    "cpu": "100m",
    "cpuLimit": "1",
    "memory": "256Mi",
    "minReplicas": 1,
    "maxReplicas": 2,
    "targetCpuPercent": 70,
    "startSeconds": 180,
    "preStopSeconds": 5,
    "gracePeriodSeconds": 15,
}
COMMIT = "8f1d6c2e0b5a4937d1c0e2f3a4b5c6d7e8f90a1b"
NEXT_COMMIT = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"
EXPIRES = "2030-01-31T12:00:00+00:00"

PREVIEW_CONFIG: dict[str, Any] = {
    "service": SERVICE_CONFIG,
    "access": {"signIn": "none"},
    "database": {"instanceClass": "db.t4g.micro"},
    "ttlDays": 7,
    "commit": COMMIT,
    "repository": "acme/orders",
    "expires": EXPIRES,
}
STAGING_CONFIG: dict[str, Any] = {
    "service": SERVICE_CONFIG | {"minReplicas": 2, "maxReplicas": 4},
    "access": {"signIn": "none"},
    "database": {"instanceClass": "db.t4g.medium"},
    "domain": "preview.example.com",
    "cluster": {"name": "lab"},
    "ttlDays": 7,
    "commit": COMMIT,
    "repository": "acme/orders",
}

CREATED_CLUSTER: dict[str, Any] = {
    "cluster": {"name": "lab", "create": True, "apiCidrs": ["203.0.113.0/24"]}
}
"""What makes staging make its cluster, instead of finding it."""

SNAPSHOTS = [
    {
        "dbSnapshotIdentifier": f"rds:staging-2029-12-{day}-03-05",
        "dbInstanceIdentifier": "staging",
        "snapshotCreateTime": f"2029-12-{day}T03:05:11Z",
        "status": status,
    }
    for day, status in (("29", "available"), ("30", "available"), ("31", "creating"))
]


CLONE = {
    "generation": "data-8",
    "host": "data-8.abc.eu-west-1.rds.amazonaws.com",
    "port": 5432,
    "database": "pr_42",
    "snapshot": "rds:staging-2029-12-30-03-05",
    "snapshotCreated": "2029-12-30T03:05:11Z",
}
"""What the platform's controller says of a claim."""


@dataclass(frozen=True)
class Registration:
    """One resource as the engine hears of it.

    Attributes:
        urn: Its URN.
        type: Its type token.
        name: Its logical name.
        inputs: Its properties on the wire, after the transforms.
        depends_on: URNs that it comes after.
        parent: URN of its parent.
        deleted_with: URN of what it is deleted with, empty for none.
        ignore_changes: Properties whose changes are ignored.
        retain_on_delete: Whether it is only forgotten.
        delete_before_replace: Whether the former one goes before another takes its place.
        provider: Reference of its provider.
        version: Version of the plugin that its SDK asks for.
        custom: Whether a provider makes it.
    """

    urn: str
    type: str
    name: str
    inputs: dict[str, Any]
    depends_on: frozenset[str]
    parent: str
    deleted_with: str
    ignore_changes: tuple[str, ...]
    retain_on_delete: bool
    delete_before_replace: bool
    provider: str
    version: str
    custom: bool


@dataclass
class Cloud(mocks.Mocks):
    """Answers like AWS, Docker and Kubernetes do.

    Attributes:
        snapshots: Automated snapshots of staging's instance.
        staging: Outputs of the stack ``staging``; None when it was never brought up.
        own: Outputs of the preview's own stack after an earlier `up`.
        held: Type and outputs of each resource of that stack, by URN.
        pinned: The snapshot that the preview's instance was restored from in an earlier run.
        token: Value of the secret that lets tests in.
        issuer: Issuer of the existing cluster's service accounts.
        auto_mode: Whether the existing cluster runs in EKS Auto Mode.
        claim: UID of the preview's claim on a database.
        calls: Functions that were called, with their arguments.
        made: Type tokens of all resources that were made.
    """

    snapshots: list[dict[str, Any]] = field(default_factory=lambda: list(SNAPSHOTS))
    staging: dict[str, Any] | None = None
    own: dict[str, Any] | None = None
    held: dict[str, Any] = field(default_factory=dict[str, Any])
    pinned: dict[str, str] | None = None
    token: str = "t" * 40
    issuer: str | None = "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC"
    auto_mode: bool = False
    claim: str = "0b5a4937"
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    made: list[str] = field(default_factory=list[str])
    transforms: list[Any] = field(default_factory=list[Any])

    def register_transform(self, transform: Any) -> None:
        self.transforms.append(transform)

    def call(self, args: mocks.MockCallArgs) -> Any:
        asked = cast("dict[str, Any]", args.args)
        self.calls.append((args.token, dict(asked)))
        if known := answers.FUNCTIONS.get(args.token):
            return known(asked)
        match args.token:
            case "pulumi:pulumi:readStackOutputs":
                return {**asked, "outputs": self.own or {}}
            case "pulumi:pulumi:readStackResourceOutputs":
                # The engine panics where there is no state yet.
                assert self.own
                return {**asked, "outputs": self.held}
            case "aws:eks/getCluster:getCluster":
                return self._cluster(asked["name"])
            case "aws:secretsmanager/getSecretVersion:getSecretVersion":
                return {**asked, "secretString": self.token}
            case "aws:rds/getSnapshots:getSnapshots":
                return {**asked, "snapshots": self.snapshots}
            case _:
                raise AssertionError(f"the program called {args.token}, which no test expects")

    def _cluster(self, name: str) -> Any:
        if name != "lab" and "eks:index:Cluster" not in self.made:
            return {}, [("name", f"couldn't find EKS cluster {name}")]
        oidcs = [] if self.issuer is None else [{"issuer": self.issuer}]
        return {
            "name": name,
            "arn": f"arn:aws:eks:eu-west-1:123456789012:cluster/{name}",
            "vpcConfig": {
                "vpcId": "vpc-1",
                "subnetIds": ["subnet-2", "subnet-1"],
                "clusterSecurityGroupId": "sg-cluster",
            },
            "roleArn": "arn:aws:iam::123456789012:role/eks/lab-role",
            "computeConfigs": [{"enabled": self.auto_mode}],
            "identities": [{"oidcs": oidcs}],
            "kubernetesNetworkConfigs": [{"serviceIpv4Cidr": "172.20.0.0/16"}],
        }

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        given: dict[str, Any] = {**cast("dict[str, Any]", args.inputs)}
        self.made.append(args.typ)
        match args.typ:
            case "pulumi:pulumi:StackReference":
                outputs = self.staging if args.name.endswith("/staging") else self.own
                return args.name, {"name": args.name, "outputs": outputs or {}}
            case "aws:rds/instance:Instance":
                return given["identifier"], {**given, **self._instance(given)}
            case _:
                identity = given["name"] if args.typ in answers.NAMED else f"{args.name}-id"
                known = answers.KNOWN.get(args.typ)
                return identity, given | (known(args.name, given) if known else {})

    def _instance(self, given: dict[str, Any]) -> dict[str, Any]:
        identifier = given["identifier"]
        found: dict[str, Any] = {
            "address": f"{identifier}.abc.eu-west-1.rds.amazonaws.com",
            "masterUserSecrets": [
                {"secretArn": f"arn:aws:secretsmanager:::secret:rds!db-{identifier}"}
            ],
        }
        if self.pinned is not None and "snapshotIdentifier" in given:
            # What the engine's ignoreChanges does: the instance stays as it was made.
            found["snapshotIdentifier"] = self.pinned["identifier"]
            found["tags"] = {**given["tags"], "snapshot-created": self.pinned["created"]}
        return found


class _Monitor(mocks.MockMonitor):
    """Keeps what Pulumi's own mocks drop."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.cloud = cloud
        self.registrations: list[Registration] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  the protocol's name
        if request.custom:
            self._transform(request)
        answer: Any = super().RegisterResource(request)
        self.registrations.append(
            Registration(
                urn=answer.urn,
                type=request.type,
                name=request.name,
                inputs=pulumi.runtime.rpc.deserialize_properties(request.object),
                depends_on=frozenset(request.dependencies),
                parent=request.parent,
                deleted_with=request.deletedWith,
                ignore_changes=tuple(request.ignoreChanges),
                retain_on_delete=request.retainOnDelete,
                delete_before_replace=request.deleteBeforeReplace,
                provider=request.provider,
                version=request.version,
                custom=request.custom,
            )
        )
        return answer

    def _transform(self, request: Any) -> None:
        for transform in self.cloud.transforms:
            properties = pulumi.runtime.rpc.deserialize_properties(request.object)
            result = transform(
                pulumi.ResourceTransformArgs(
                    custom=True,
                    type_=request.type,
                    name=request.name,
                    props=properties,
                    opts=pulumi.ResourceOptions(),
                )
            )
            if result is not None:
                request.object.Clear()
                request.object.update(result.props)


@dataclass(frozen=True)
class Deployment:
    """What a program declared.

    Attributes:
        registrations: Every resource, in the order in which it was registered.
        outputs: The stack's outputs.
        cloud: The cloud that answered.
    """

    registrations: tuple[Registration, ...]
    outputs: dict[str, Any]
    cloud: Cloud

    def one(self, type_: str, name: str | None = None) -> Registration:
        """The only resource of a type, or of a type and name."""
        found = [r for r in self.registrations if r.type == type_ and name in (None, r.name)]
        assert len(found) == 1, f"{len(found)} of {type_} {name or ''}"
        return found[0]

    def comes_after(self, later: Registration, earlier: Registration) -> bool:
        """Whether one resource waits for another, directly or through others."""
        by_urn = {r.urn: r for r in self.registrations}
        waiting, seen = [later.urn], set[str]()
        while waiting:
            urn = waiting.pop()
            if urn == earlier.urn:
                return True
            if urn not in seen and urn in by_urn:
                seen.add(urn)
                waiting.extend(by_urn[urn].depends_on)
        return False


def deploy(
    stack: str,
    program: Callable[[], None],
    *,
    cloud: Cloud | None = None,
    config: Mapping[str, Any] | None = None,
    project: str = PROJECT,
) -> Deployment:
    """Run a program against a cloud of its own; nothing of it is left afterwards.

    Pulumi keeps its settings in context variables, so a copied context restores them.
    """
    used = cloud or Cloud()
    return contextvars.copy_context().run(
        _deploy, stack, program, used, dict(config or {}), project
    )


def _deploy(
    stack: str, program: Callable[[], None], cloud: Cloud, config: dict[str, Any], project: str
) -> Deployment:
    loop = asyncio.new_event_loop()
    # What a program that failed leaves unfinished; Pulumi's own runner is silent about it too.
    loop.set_exception_handler(lambda _loop, _context: None)
    asyncio.set_event_loop(loop)
    try:
        set_all_config(
            {
                f"{PROJECT}:{key}": value if isinstance(value, str) else json.dumps(value)
                for key, value in config.items()
            }
        )
        # Tasks that a run before left over belong to its event loop, which is closed.
        setattr(SETTINGS, "outputs", set[asyncio.Task[Any]]())  # noqa: B010  it is declared otherwise
        monitor = _Monitor(cloud)
        set_mocks(
            cloud, project, stack, preview=False, monitor=monitor, organization="organization"
        )
        loop.run_until_complete(_run(program))
        outputs = loop.run_until_complete(_outputs())
        # Pulumi's engine refuses it; the mocks would not.
        urns = [one.urn for one in monitor.registrations]
        assert len(urns) == len(set(urns)), {urn for urn in urns if urns.count(urn) > 1}
        return Deployment(tuple(monitor.registrations), outputs, cloud)
    finally:
        loop.close()
        asyncio.set_event_loop(None)


async def _run(program: Callable[[], None]) -> None:
    async def body() -> None:
        program()

    await run_pulumi_func(body)


async def _outputs() -> dict[str, Any]:
    root = get_root_resource()
    exported: dict[str, Any] = getattr(root, "outputs", {})
    value = await pulumi.Output.from_input(exported).future()
    return dict(value or {})
