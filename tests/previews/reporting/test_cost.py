from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from previews.reporting import prices
from previews.reporting.cost import (
    Cost,
    Line,
    PlatformSizes,
    PreviewSizes,
    platform_cost,
    preview_cost,
)
from previews.reporting.prices import UnknownPriceError

PRICES = prices.read()
SNAPSHOT = PreviewSizes(
    region="us-east-1", database_class="db.t4g.micro", database_gib=20, secrets=1
)
BRANCH = PreviewSizes(region="us-east-1")


def lines(cost: Cost) -> dict[str, Decimal]:
    return {line.what: round(line.a_day, 4) for line in cost.lines}


def test_a_preview_with_a_database_of_its_own() -> None:
    assert lines(preview_cost(SNAPSHOT, PRICES)) == {
        "database db.t4g.micro": Decimal("0.3840"),
        "its storage, 20 GiB gp3": Decimal("0.0756"),
        "1 pod(s), 5.0% of a m7g.large": Decimal("0.0979"),
        "EKS Auto Mode for that share": Decimal("0.0118"),
        "1 secret(s)": Decimal("0.0132"),
        "image, 0.2 GiB": Decimal("0.0007"),
    }


def test_a_preview_with_a_branch_pays_for_no_aws_resource_but_its_image() -> None:
    assert list(lines(preview_cost(BRANCH, PRICES))) == [
        "1 pod(s), 5.0% of a m7g.large",
        "EKS Auto Mode for that share",
        "image, 0.2 GiB",
    ]


def test_a_pod_counts_by_what_it_takes_more_of() -> None:
    cpu = PreviewSizes(region="us-east-1", cpu_millicores=1000, memory_mib=256)
    memory = PreviewSizes(region="us-east-1", cpu_millicores=100, memory_mib=4096)
    half = PRICES.of("us-east-1", "m7g.large").a_day / 2
    for sizes in (cpu, memory):
        (line,) = (
            line for line in preview_cost(sizes, PRICES).lines if line.what.startswith("1 pod")
        )
        assert (line.what, line.a_day) == ("1 pod(s), 50.0% of a m7g.large", half)


def test_the_platform() -> None:
    sizes = PlatformSizes(region="us-east-1", database_class="db.t4g.medium")
    found = lines(platform_cost(sizes, PRICES))
    assert found["EKS control plane"] == Decimal("2.4000")
    assert found["2 node(s) m7g.large"] == Decimal("3.9168")
    assert found["EKS Auto Mode for the nodes"] == Decimal("0.4700")
    assert found["1 NAT gateway(s)"] == Decimal("1.0800")
    assert found["1 public IPv4 address(es)"] == Decimal("0.1200")
    assert found["the nodes' disks, 160 GiB gp3"] == Decimal("0.4208")
    assert 250 < platform_cost(sizes, PRICES).a_month < 350


def test_every_item_of_the_platform_is_on_the_bill() -> None:
    sizes = PlatformSizes(
        region="us-east-1",
        database_class="db.t4g.medium",
        database_gib=30,
        database_multi_az=True,
        nodes={"m7g.large": 2, "m7g.xlarge": 1},
        nat_gateways=2,
        load_balancers=2,
        public_addresses=3,
        keys=2,
    )

    def of(item: str, count: int = 1) -> Decimal:
        return round(PRICES.of("us-east-1", item).a_day * count, 4)

    found = lines(platform_cost(sizes, PRICES))
    nodes = found["2 node(s) m7g.large"] + found["1 node(s) m7g.xlarge"]
    fee = PRICES.of("us-east-1", "eks-auto-mode").usd
    assert abs(found.pop("EKS Auto Mode for the nodes") - nodes * fee) < Decimal("0.001")
    assert found == {
        "staging's database db.t4g.medium": of("db.t4g.medium", 2),
        "its storage, 30 GiB gp3": of("rds-gp3", 60),
        "EKS control plane": of("eks-control-plane"),
        "2 node(s) m7g.large": of("m7g.large", 2),
        "1 node(s) m7g.xlarge": of("m7g.xlarge"),
        "the nodes' disks, 240 GiB gp3": of("ebs-gp3", 240),
        "2 NAT gateway(s)": of("nat-gateway", 2),
        "5 public IPv4 address(es)": of("public-ipv4", 5),
        "2 load balancer(s)": of("load-balancer", 2),
        "2 secret(s)": of("secret", 2),
        "2 KMS key(s)": of("kms-key", 2),
        "images, 5 GiB": of("ecr", 5),
        "1 hosted zone(s)": of("hosted-zone"),
    }


def test_sizes_that_nobody_gave_are_a_small_preview_s_and_a_small_platform_s() -> None:
    assert BRANCH.model_dump(exclude={"region"}) == {
        "database_class": None,
        "database_gib": 0,
        "pods": 1,
        "cpu_millicores": 100,
        "memory_mib": 256,
        "secrets": 0,
        "image_gib": Decimal("0.2"),
        "node": "m7g.large",
        "auto_mode": True,
    }
    platform = PlatformSizes(region="us-east-1", database_class="db.t4g.medium")
    assert platform.model_dump(exclude={"region", "database_class"}) == {
        "database_gib": 20,
        "database_multi_az": False,
        "shared_class": None,
        "shared_gib": 0,
        "own_cluster": True,
        "auto_mode": True,
        "log_types": (),
        "nodes": {"m7g.large": 2},
        "node_gib": 80,
        "nat_gateways": 1,
        "load_balancers": 1,
        "public_addresses": 0,
        "secrets": 2,
        "keys": 1,
        "images_gib": Decimal(5),
        "hosted_zones": 1,
    }


SIZES = (
    *((PreviewSizes, name) for name in ("database_gib", "pods", "cpu_millicores", "memory_mib")),
    *((PreviewSizes, name) for name in ("secrets", "image_gib")),
    *((PlatformSizes, name) for name in ("database_gib", "shared_gib", "node_gib", "keys")),
    *((PlatformSizes, name) for name in ("nat_gateways", "load_balancers", "public_addresses")),
    *((PlatformSizes, name) for name in ("secrets", "images_gib", "hosted_zones")),
)


@pytest.mark.parametrize(("model", "name"), SIZES)
def test_a_size_may_be_nothing_and_not_less(
    model: type[PreviewSizes | PlatformSizes], name: str
) -> None:
    known = {"region": "us-east-1", "database_class": "db.t4g.medium"}
    assert getattr(model.model_validate({**known, name: 0}), name) == 0
    with pytest.raises(ValidationError, match=name):
        model.model_validate({**known, name: -1})


def test_nothing_is_said_of_what_there_is_none_of() -> None:
    none = BRANCH.model_copy(
        update={"pods": 0, "cpu_millicores": 0, "memory_mib": 0, "image_gib": Decimal(0)}
    )
    assert preview_cost(none, PRICES).lines == ()
    assert preview_cost(none, PRICES).a_day == 0
    by_hand = lines(preview_cost(BRANCH.model_copy(update={"auto_mode": False}), PRICES))
    assert list(by_hand) == ["1 pod(s), 5.0% of a m7g.large", "image, 0.2 GiB"]


def test_pods_take_as_much_as_all_of_them_ask_for() -> None:
    two = BRANCH.model_copy(update={"pods": 2, "cpu_millicores": 1000, "memory_mib": 128})
    assert "2 pod(s), 50.0% of a m7g.large" in lines(preview_cost(two, PRICES))
    two = BRANCH.model_copy(update={"pods": 2, "memory_mib": 4096})
    assert "2 pod(s), 50.0% of a m7g.large" in lines(preview_cost(two, PRICES))


@pytest.mark.parametrize("unknown", ["vcpu", "gib"])
def test_a_node_of_unknown_size_can_not_be_shared_out(unknown: str) -> None:
    known = PRICES.of("us-east-1", "m7g.large").model_copy(update={unknown: None})
    region = PRICES.regions["us-east-1"]
    region = region.model_copy(update={"ec2": {**region.ec2, "m7g.large": known}})
    found = PRICES.model_copy(update={"regions": {"us-east-1": region}})
    with pytest.raises(ValueError, match=r"m7g\.large: prices\.toml lacks its vcpu and gib"):
        preview_cost(BRANCH, found)


def test_one_unverified_price_makes_the_sum_so() -> None:
    sure, unsure = (Line(what="x", a_day=Decimal(1), verified=known) for known in (True, False))
    assert Cost(lines=(sure, sure)).verified
    assert not Cost(lines=(unsure, sure)).verified
    assert not Cost(lines=(sure, unsure)).verified
    assert round(Cost(lines=(sure, unsure)).a_month, 9) == round(2 * Decimal(730) / 24, 9)


def test_a_standby_doubles_instance_and_storage() -> None:
    one = PlatformSizes(region="us-east-1", database_class="db.t4g.medium")
    two = one.model_copy(update={"database_multi_az": True})
    more = platform_cost(two, PRICES).a_day - platform_cost(one, PRICES).a_day
    storage = PRICES.of("us-east-1", "rds-gp3").a_day * 20
    assert round(more, 9) == round(PRICES.of("us-east-1", "db.t4g.medium").a_day + storage, 9)


def test_an_existing_cluster_costs_nothing_more() -> None:
    sizes = PlatformSizes(
        region="us-east-1", database_class="db.t4g.medium", own_cluster=False, nodes={}
    )
    found = lines(platform_cost(sizes, PRICES))
    assert not [what for what in found if "EKS" in what or "node" in what]


def test_a_shared_instance_is_counted_with_its_storage() -> None:
    sizes = PlatformSizes(
        region="eu-west-1",
        database_class="db.t4g.medium",
        shared_class="db.t4g.large",
        shared_gib=100,
    )
    found = lines(platform_cost(sizes, PRICES))
    assert found["shared database db.t4g.large"] == Decimal("3.3120")
    assert found["its storage, 100 GiB gp3"] == Decimal("0.4175")


def test_an_unverified_price_shows_in_the_sum() -> None:
    assert preview_cost(SNAPSHOT, PRICES).verified
    assert not preview_cost(SNAPSHOT.model_copy(update={"region": "eu-west-1"}), PRICES).verified


def test_a_class_without_a_price_is_told() -> None:
    sizes = SNAPSHOT.model_copy(update={"database_class": "db.x9.huge"})
    with pytest.raises(UnknownPriceError, match=r"db\.x9\.huge in us-east-1"):
        preview_cost(sizes, PRICES)


MADE = datetime(2026, 1, 1, tzinfo=UTC)


@given(st.timedeltas(min_value=timedelta(days=-3), max_value=timedelta(days=400)))
def test_so_far_grows_with_time_and_is_never_negative(age: timedelta) -> None:
    cost = Cost(lines=(Line(what="a", a_day=Decimal(2), verified=True),))
    so_far = cost.so_far(MADE, MADE + age)
    assert so_far >= 0
    assert abs(so_far - max(Decimal(0), 2 * Decimal(age / timedelta(days=1)))) < Decimal("1e-9")


def test_a_control_plane_s_logs_cost_what_is_assumed_of_each_type() -> None:
    def logs(*types: str) -> list[str]:
        sizes = PlatformSizes(region="us-east-1", database_class="db.t4g.medium", log_types=types)
        lines = platform_cost(sizes, prices.read()).lines
        return [f"{line.a_day * 730 / 24:.2f}" for line in lines if "its logs" in line.what]

    assert logs() == []
    assert logs("audit") == ["5.00"]
    assert logs("audit", "api", "scheduler") == ["6.25"]
