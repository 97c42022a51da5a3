from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previews import prices
from previews.cost import Cost, Line, PlatformSizes, PreviewSizes, platform_cost, preview_cost
from previews.prices import UnknownPriceError

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
    assert "1 pod(s), 50.0% of a m7g.large" in lines(preview_cost(cpu, PRICES))
    assert "1 pod(s), 50.0% of a m7g.large" in lines(preview_cost(memory, PRICES))


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
