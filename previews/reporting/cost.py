"""Cost of a preview and of the platform, from their sizes and dated prices. No I/O.

An estimate from on-demand list prices, without tax, discounts, data transfer and requests. Pods
on a shared node are counted as their share of it, so that the sum over all previews is close to
the bill.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field

from previews.reporting.prices import HOURS_PER_MONTH, Price, Prices

_DAYS_PER_MONTH = HOURS_PER_MONTH / 24
_MIB_PER_GIB = 1024
_MILLICORES = 1000


CONTROL_PLANE_LOG_GIB: Mapping[str, Decimal] = {
    "api": Decimal(2),
    "audit": Decimal(10),
    "authenticator": Decimal("0.5"),
    "controllerManager": Decimal(1),
    "scheduler": Decimal("0.5"),
}
"""GiB that each type of a control plane's log has in a month: an assumption, for a cluster with a
few previews. Nobody has measured it; most is the audit log, which grows with the requests."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PreviewSizes(_Model):
    """Sizes of one preview.

    Attributes:
        region: AWS region.
        database_class: Class of its own RDS instance; None where it has a database on a shared one.
        database_gib: Storage of that instance.
        pods: Number of its pods.
        cpu_millicores: CPU requests of all of them.
        memory_mib: Memory requests of all of them.
        secrets: Number of its secrets in Secrets Manager.
        image_gib: Size that its image adds to the registry.
        node: Type of the nodes that its pods share.
        auto_mode: True if EKS Auto Mode runs those nodes.
    """

    region: str
    database_class: str | None = None
    database_gib: int = Field(default=0, ge=0)
    pods: int = Field(default=1, ge=0)
    cpu_millicores: int = Field(default=100, ge=0)
    memory_mib: int = Field(default=256, ge=0)
    secrets: int = Field(default=0, ge=0)
    image_gib: Decimal = Field(default=Decimal("0.2"), ge=0)
    node: str = "m7g.large"
    auto_mode: bool = True


class PlatformSizes(_Model):
    """Sizes of the platform that all previews share, including staging's own service.

    Attributes:
        region: AWS region.
        database_class: Class of staging's RDS instance.
        database_gib: Its storage.
        database_multi_az: True if it has a standby.
        shared_class: Class of the instance that holds the previews' branches; None without one.
        shared_gib: Its storage.
        own_cluster: True if the program created the cluster; an existing one costs nothing more.
        auto_mode: True if EKS Auto Mode runs the nodes.
        log_types: Types of the control plane's log that are kept.
        nodes: Number of nodes by instance type.
        node_gib: Disk of one node.
        nat_gateways: Number of NAT gateways; each has a public address.
        load_balancers: Number of load balancers.
        public_addresses: Number of public IPv4 addresses besides those of NAT gateways.
        secrets: Number of secrets in Secrets Manager.
        keys: Number of KMS keys.
        images_gib: Size of all images in the registry.
        hosted_zones: Number of zones in Route 53.
    """

    region: str
    database_class: str
    database_gib: int = Field(default=20, ge=0)
    database_multi_az: bool = False
    shared_class: str | None = None
    shared_gib: int = Field(default=0, ge=0)
    own_cluster: bool = True
    auto_mode: bool = True
    log_types: tuple[str, ...] = ()
    nodes: Mapping[str, int] = Field(default={"m7g.large": 2})
    node_gib: int = Field(default=80, ge=0)
    nat_gateways: int = Field(default=1, ge=0)
    load_balancers: int = Field(default=1, ge=0)
    public_addresses: int = Field(default=0, ge=0)
    secrets: int = Field(default=2, ge=0)
    keys: int = Field(default=1, ge=0)
    images_gib: Decimal = Field(default=Decimal(5), ge=0)
    hosted_zones: int = Field(default=1, ge=0)


class Line(_Model):
    """One item of a bill.

    Attributes:
        what: The item, for people.
        a_day: Dollars a day.
        verified: True if its price was found in a bill, a price list or agreeing tables.
    """

    what: str
    a_day: Decimal
    verified: bool


class Cost(_Model):
    """A cost, item by item."""

    lines: tuple[Line, ...]

    @property
    def a_day(self) -> Decimal:
        """Dollars a day."""
        return sum((line.a_day for line in self.lines), Decimal(0))

    @property
    def a_month(self) -> Decimal:
        """Dollars a month of 730 hours."""
        return self.a_day * _DAYS_PER_MONTH

    @property
    def verified(self) -> bool:
        """True if every price in it was found in a bill, a price list or agreeing tables."""
        return all(line.verified for line in self.lines)

    def so_far(self, since: datetime, now: datetime) -> Decimal:
        """Return the dollars from `since` until `now`; 0 where `since` is later."""
        return self.a_day * Decimal(max(now - since, timedelta(0)) / timedelta(days=1))


class _Bill:
    """Collects the lines of one region."""

    def __init__(self, prices: Prices, region: str) -> None:
        self._prices = prices
        self._region = region
        self.lines: list[Line] = []

    def price(self, item: str) -> Price:
        return self._prices.of(self._region, item)

    def add(self, what: str, item: str, count: Decimal | int = 1) -> None:
        """Add ``count`` of an item; 0 adds no line."""
        if count:
            self._line(what, self.price(item).a_day * count, item)

    def add_fee(self, what: str, node: Decimal) -> None:
        """Add the fee of EKS Auto Mode on nodes, which cost `node` dollars a day."""
        if node:
            self._line(what, node * self.price("eks-auto-mode").usd, "eks-auto-mode")

    def add_use(self, what: str, item: str, a_month: Decimal) -> None:
        """Add an item that is charged by use; 0 adds no line."""
        if a_month:
            self._line(what, self.price(item).usd * a_month / _DAYS_PER_MONTH, item)

    def add_share(self, what: str, node: str, share: Decimal) -> Decimal:
        """Add a share of a node; returns its cost a day."""
        cost = self.price(node).a_day * share
        if cost:
            self._line(what, cost, node)
        return cost

    def _line(self, what: str, a_day: Decimal, item: str) -> None:
        verified = self._prices.is_verified(self.price(item))
        self.lines.append(Line(what=what, a_day=a_day, verified=verified))

    def cost(self) -> Cost:
        return Cost(lines=tuple(self.lines))


def preview_cost(sizes: PreviewSizes, prices: Prices) -> Cost:
    """Return the cost that one preview adds to the platform's."""
    bill = _Bill(prices, sizes.region)
    if sizes.database_class is not None:
        bill.add(f"database {sizes.database_class}", sizes.database_class)
        bill.add(f"its storage, {sizes.database_gib} GiB gp3", "rds-gp3", sizes.database_gib)
    share = _share(sizes, bill.price(sizes.node))
    node = bill.add_share(f"{sizes.pods} pod(s), {share:.1%} of a {sizes.node}", sizes.node, share)
    if sizes.auto_mode:
        bill.add_fee("EKS Auto Mode for that share", node)
    bill.add(f"{sizes.secrets} secret(s)", "secret", sizes.secrets)
    bill.add(f"image, {sizes.image_gib} GiB", "ecr", sizes.image_gib)
    return bill.cost()


def platform_cost(sizes: PlatformSizes, prices: Prices) -> Cost:
    """Return the cost of the platform without any preview."""
    bill = _Bill(prices, sizes.region)
    standby = 2 if sizes.database_multi_az else 1
    bill.add(f"staging's database {sizes.database_class}", sizes.database_class, standby)
    bill.add(f"its storage, {sizes.database_gib} GiB gp3", "rds-gp3", sizes.database_gib * standby)
    if sizes.shared_class is not None:
        bill.add(f"shared database {sizes.shared_class}", sizes.shared_class)
        bill.add(f"its storage, {sizes.shared_gib} GiB gp3", "rds-gp3", sizes.shared_gib)
    if sizes.own_cluster:
        bill.add("EKS control plane", "eks-control-plane")
        logs = sum((CONTROL_PLANE_LOG_GIB[kind] for kind in sizes.log_types), Decimal(0))
        bill.add_use(f"its logs, {logs} GiB a month if it is as assumed", "logs", logs)
    nodes = Decimal(0)
    for node, count in sizes.nodes.items():
        nodes += bill.add_share(f"{count} node(s) {node}", node, Decimal(count))
    if sizes.auto_mode:
        bill.add_fee("EKS Auto Mode for the nodes", nodes)
    disks = sizes.node_gib * sum(sizes.nodes.values())
    bill.add(f"the nodes' disks, {disks} GiB gp3", "ebs-gp3", disks)
    bill.add(f"{sizes.nat_gateways} NAT gateway(s)", "nat-gateway", sizes.nat_gateways)
    addresses = sizes.public_addresses + sizes.nat_gateways
    bill.add(f"{addresses} public IPv4 address(es)", "public-ipv4", addresses)
    bill.add(f"{sizes.load_balancers} load balancer(s)", "load-balancer", sizes.load_balancers)
    bill.add(f"{sizes.secrets} secret(s)", "secret", sizes.secrets)
    bill.add(f"{sizes.keys} KMS key(s)", "kms-key", sizes.keys)
    bill.add(f"images, {sizes.images_gib} GiB", "ecr", sizes.images_gib)
    bill.add(f"{sizes.hosted_zones} hosted zone(s)", "hosted-zone", sizes.hosted_zones)
    return bill.cost()


def _share(sizes: PreviewSizes, node: Price) -> Decimal:
    """Return the part of a node that the pods reserve: of CPU or memory, the larger one."""
    if node.vcpu is None or node.gib is None:
        msg = f"{sizes.node}: prices.toml lacks its vcpu and gib"
        raise ValueError(msg)
    cpu = Decimal(sizes.cpu_millicores) / (node.vcpu * _MILLICORES)
    memory = Decimal(sizes.memory_mib) / (node.gib * _MIB_PER_GIB)
    return max(cpu, memory)
