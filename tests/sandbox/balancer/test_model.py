"""From annotations and objects to rules, without a network."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.balancer import ingress_options, model
from sandbox.balancer.ingress_options import PREFIX, HealthCheck, ModelError
from sandbox.balancer.ingress_status import host_name
from sandbox.balancer.model import Rule, ServicePort, TargetGroup
from sandbox.balancer.proxy import Preview, unknown_host

Object = dict[str, Any]
PORT = 8080
LISTEN = {"listen-ports": '[{"HTTP": 8080}]'}


def _read(**annotations: str) -> ingress_options.Options:
    given = {**LISTEN, **{name.replace("_", "-"): value for name, value in annotations.items()}}
    return ingress_options.read(
        {PREFIX + name: value for name, value in given.items()} | {"other/x": "y"}, port=PORT
    )


def test_annotations_that_previews_use() -> None:
    options = _read(
        **{
            "group.name": "previews",
            "group.order": "42",
            "target-type": "ip",
            "scheme": "internet-facing",
            "healthcheck-path": "/health/ready",
            "healthcheck-interval-seconds": "10",
            "success-codes": "200,204-206",
            "target-group-attributes": "deregistration_delay.timeout_seconds=15,"
            "load_balancing.algorithm.type=least_outstanding_requests",
            "load-balancer-attributes": "idle_timeout.timeout_seconds=30",
            "tags": "a=b",
        }
    )
    assert (options.group, options.order, options.idle_seconds) == ("previews", 42, 30)
    assert options.least_outstanding
    assert (options.health.path, options.health.interval) == ("/health/ready", 10)
    assert [code for code in (200, 201, 204, 206, 207) if options.health.accepts(code)] == [
        200, 204, 206,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("annotation", "value", "why"),
    [
        ("target-type", "instance", "expected ip"),
        ("actions.x", "{}", "does not implement it"),
        ("auth-type", "oidc", "does not implement it"),
        ("wafv2-acl-arn", "arn:x", "does not implement it"),
        ("certificate-arn", "arn:x", "supports HTTP only"),
        ("backend-protocol", "HTTPS", "reached by HTTP"),
        ("group.order", "first", "invalid literal"),
        ("success-codes", "all", "invalid literal"),
        ("healthcheck-interval-seconds", "0", "above 0"),
        ("target-group-attributes", "stickiness.enabled=true", "no sticky sessions"),
        ("target-group-attributes", "what.is=this", "not implemented"),
        ("load-balancer-attributes", "waf.fail_open.enabled=true", "not implemented"),
        ("listen-ports", "[{", "is not supported"),
        ("listen-ports", '[{"HTTPS": 443}]', 'expected [{"HTTP": 8080}], found [{"HTTPS": 443}]'),
        ("listen-ports", "[8080]", "expected"),
    ],
)
def test_annotations_that_cannot_be_honoured_are_named(
    annotation: str, value: str, why: str
) -> None:
    with pytest.raises(ModelError) as caught:
        _read(**{annotation: value})
    assert PREFIX + annotation in str(caught.value)
    assert why in str(caught.value)


def test_what_is_not_said_is_as_the_controller_has_it() -> None:
    options = _read()
    assert options == ingress_options.Options()
    assert (options.group, options.order, options.least_outstanding) == (None, 0, False)
    assert options.idle_seconds == 60
    health = options.health
    assert (health.path, health.port, health.codes) == ("/", None, "200")
    assert (health.interval, health.timeout) == (15, 5)
    assert (health.healthy_threshold, health.unhealthy_threshold) == (2, 2)


def test_a_health_check_is_read_whole() -> None:
    annotations = {
        "healthcheck-path": "/up",
        "healthcheck-port": "81",
        "healthcheck-interval-seconds": "7",
        "healthcheck-timeout-seconds": "0.5",
        "healthy-threshold-count": "3",
        "unhealthy-threshold-count": "4",
        "success-codes": "200-299",
    }
    assert _read(**annotations).health == HealthCheck("/up", 81, 7, 0.5, 3, 4, "200-299")
    assert _read(**{"healthcheck-port": "traffic-port"}).health == HealthCheck()


@pytest.mark.parametrize(
    ("codes", "accepted"),
    [
        ("200", [200]),
        ("200, 204", [200, 204]),
        ("200-202", [200, 201, 202]),
        ("199,203-204", [199, 203, 204]),
    ],
)
def test_success_codes_are_single_ones_and_ranges(codes: str, accepted: list[int]) -> None:
    check = HealthCheck(codes=codes)
    assert [code for code in range(198, 206) if check.accepts(code)] == accepted


ABOUT_AWS = [
    *("load-balancer-name", "scheme", "ip-address-type", "subnets", "security-groups"),
    *("manage-backend-security-group-rules", "inbound-cidrs", "security-group-prefix-lists"),
    "tags",
]
ATTRIBUTES = {
    "target-group-attributes": [
        *("deregistration_delay.timeout_seconds=5", "load_balancing.cross_zone.enabled=true"),
        *("load_balancing.algorithm.type=round_robin", "slow_start.duration_seconds=0"),
        "stickiness.enabled=false",
    ],
    "load-balancer-attributes": [
        *("access_logs.s3.enabled=true", "access_logs.s3.bucket=b", "access_logs.s3.prefix=p"),
        *("deletion_protection.enabled=true", "routing.http2.enabled=false"),
        "routing.http.drop_invalid_header_fields.enabled=true",
        "routing.http.desync_mitigation_mode=strictest",
    ],
}


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        *((name, "whatever") for name in ABOUT_AWS),
        *((name, value) for name, values in ATTRIBUTES.items() for value in values),
        *(("target-type", "ip"), ("backend-protocol", "HTTP"), ("healthcheck-protocol", "HTTP")),
        ("backend-protocol-version", "HTTP1"),
    ],
)
def test_what_is_about_aws_alone_or_the_case_anyway_changes_nothing(
    annotation: str, value: str
) -> None:
    assert _read(**{annotation: value}) == _read()


def test_attributes_are_pairs_between_commas() -> None:
    assert ingress_options.pairs(" a=b , c=d=e,, f") == {"a": "b", "c": "d=e", "f": ""}
    options = _read(
        **{
            "target-group-attributes": "stickiness.enabled=false, slow_start.duration_seconds=0",
            "load-balancer-attributes": "idle_timeout.timeout_seconds=1",
        }
    )
    assert options.idle_seconds == 1


def test_everything_that_can_not_be_honoured_is_named_at_once() -> None:
    with pytest.raises(ModelError) as caught:
        _read(**{"auth-type": "oidc", "ssl-policy": "x", "ssl-redirect": "443"})
    assert str(caught.value).count("; remove it") == 2
    assert [part.split(":")[0] for part in str(caught.value).split(f"; {PREFIX}")] == [
        f"{PREFIX}auth-type",
        "ssl-policy",
        "ssl-redirect",
    ]


@pytest.mark.parametrize(
    ("attributes", "named"),
    [
        ("stickiness.enabled=false,slow_start.duration_seconds=30", "slow_start"),
        ("stickiness.enabled=false,unknown=1", "unknown"),
        ("load_balancing.algorithm.type=weighted_random", "algorithm"),
    ],
)
def test_each_attribute_is_looked_at(attributes: str, named: str) -> None:
    with pytest.raises(ModelError, match=named):
        _read(**{"target-group-attributes": attributes})
    for seconds in ("0", "-1", "long"):
        with pytest.raises(ModelError, match="idle_timeout"):
            _read(**{"load-balancer-attributes": f"idle_timeout.timeout_seconds={seconds}"})


def test_a_fraction_of_a_second_is_enough() -> None:
    assert _read(**{"healthcheck-interval-seconds": "0.2"}).health.interval == 0.2


def test_without_an_annotation_the_port_is_80() -> None:
    assert ingress_options.read({}, port=80) == _read()
    for listeners in ('[{"HTTP": 80}, {"HTTP": 81}]', "[]", '[{"HTTP": 80, "HTTPS": 443}]'):
        with pytest.raises(ModelError, match="nowhere else"):
            ingress_options.read({f"{PREFIX}listen-ports": listeners}, port=80)


def test_an_ingress_has_to_name_the_port() -> None:
    with pytest.raises(ModelError, match="found no such annotation"):
        ingress_options.read({}, port=PORT)


@given(st.text(max_size=40))
def test_no_text_in_listen_ports_is_more_than_a_model_error(value: str) -> None:
    try:
        ingress_options.read({f"{PREFIX}listen-ports": value}, port=PORT)
    except ModelError:
        return
    assert json.loads(value) == [{"HTTP": PORT}]


def _rule(path: str = "/", kind: str = "Prefix", host: str | None = "a.b") -> Rule:
    return Rule(host, path, kind, ServicePort("n", "s", "http"), "n/i", ingress_options.Options())


@pytest.mark.parametrize(
    ("path", "kind", "asked", "matches"),
    [
        ("/", "Prefix", "/", True), ("/", "Prefix", "/x/y", True),
        ("/a", "Prefix", "/a", True), ("/a", "Prefix", "/a/", True),
        ("/a/", "Prefix", "/a", True), ("/a", "Prefix", "/ab", False),
        ("/a", "Exact", "/a", True), ("/a", "Exact", "/a/", False),
        ("/", "ImplementationSpecific", "/", True), ("/", "ImplementationSpecific", "/x", False),
        ("/*", "ImplementationSpecific", "/x/y", True),
        ("/v?/x.y", "ImplementationSpecific", "/v1/x.y", True),
        ("/v?/x.y", "ImplementationSpecific", "/v1/xzy", False),
        ("/v?/x.y", "ImplementationSpecific", "/v1/x.yz", False),
        ("/", "Prefix", "x", False), ("/a/b", "Prefix", "/a", False),
    ],
)  # fmt: skip
def test_paths_match_by_their_type(path: str, kind: str, asked: str, matches: bool) -> None:
    assert _rule(path, kind).matches("a.b", asked) is matches


@pytest.mark.parametrize(
    ("host", "asked", "matches"),
    [
        ("a.b", "a.b", True), ("a.b", "x.a.b", False), ("*.b", "a.b", True), ("*.b", "b", False),
        ("*.b", ".b", False), (None, "anything", True), (None, "", True),
    ],
)  # fmt: skip
def test_hosts_match(host: str | None, asked: str, matches: bool) -> None:
    assert _rule(host=host).matches(asked, "/") is matches


def _ingress(name: str, *rules: Object, order: int = 0, **spec: Any) -> Object:
    annotations = {**LISTEN, "group.order": str(order)}
    return {
        "metadata": {
            "namespace": "n",
            "name": name,
            "annotations": {PREFIX + key: value for key, value in annotations.items()},
        },
        "spec": {"ingressClassName": "alb", "rules": list(rules), **spec},
    }


def _entry(
    host: str, *paths: tuple[str, str], service: str = "web", port: Object | None = None
) -> Object:
    backend = {"service": {"name": service, "port": port or {"name": "http"}}}
    return {
        "host": host,
        "http": {"paths": [{"path": p, "pathType": t, "backend": backend} for p, t in paths]},
    }


SERVICE = {
    "metadata": {"namespace": "n", "name": "web"},
    "spec": {"ports": [{"name": "http", "port": 80}, {"name": "admin", "port": 81}]},
}


def _slice(*endpoints: Object, kind: str = "IPv4") -> Object:
    return {
        "metadata": {"namespace": "n", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": kind,
        "ports": [{"name": "http", "port": 8000}, {"name": "admin", "port": 9000}],
        "endpoints": list(endpoints),
    }


def _build(*ingresses: Object, slices: tuple[Object, ...] = ()) -> model.Model:
    return model.build(ingresses, {"n/web": SERVICE}, slices, port=PORT)


def test_rules_are_tried_by_order_then_exact_then_longest() -> None:
    paths = [("/", "Prefix"), ("/long/er", "Prefix"), ("/", "Exact"), ("/long", "Prefix")]
    built = _build(
        _ingress("b", _entry("A.b", *paths)),
        _ingress("a", _entry("x.y", ("/", "Prefix"))),
        _ingress("c", _entry("first.b", ("/", "Prefix")), order=-1),
    )
    assert [(r.host, r.path, r.path_type) for r in built.rules] == [
        ("first.b", "/", "Prefix"),
        ("x.y", "/", "Prefix"),
        ("a.b", "/", "Exact"),
        ("a.b", "/long/er", "Prefix"),
        ("a.b", "/long", "Prefix"),
        ("a.b", "/", "Prefix"),
    ]


def test_rules_of_an_ingress_come_in_its_order_whatever_their_paths() -> None:
    built = _build(
        _ingress(
            "i",
            _entry("second.b", ("/", "Prefix"), ("/b", "Prefix"), ("/a", "Prefix")),
            _entry("first.b", ("/long/er/still", "Exact")),
        )
    )
    assert [(r.host, r.path) for r in built.rules] == [
        ("second.b", "/b"),
        ("second.b", "/a"),
        ("second.b", "/"),
        ("first.b", "/long/er/still"),
    ]


def test_what_an_ingress_leaves_out_is_any_host_and_every_path() -> None:
    path = {"pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 81}}}}
    built = _build(_ingress("i", {"host": "", "http": {"paths": [path]}}))
    [rule] = built.rules
    assert (rule.host, rule.path, rule.ingress) == (None, "/", "n/i")
    assert str(rule.backend) == "n/web:81"
    bare = _ingress("i")
    bare["spec"] = {"rules": None}
    assert (_build(bare).rules, list(_build(bare).served)) == ([], ["n/i"])


def test_the_default_backend_comes_after_hosts_that_name_no_path() -> None:
    backend = {"service": {"name": "web", "port": {"number": 81}}}
    bare = [{"host": f"{name}.b"} for name in "abc"]
    built = _build(_ingress("i", *bare, _entry("d.b", ("/", "Prefix")), defaultBackend=backend))
    assert [(rule.host, rule.path) for rule in built.rules] == [("d.b", "/"), (None, "/")]


def test_another_host_or_path_is_nobody_s() -> None:
    built = _build(_ingress("i", _entry("a.b", ("/x", "Exact"))))
    assert built.find("a.b", "/x") is built.rules[0]
    assert built.find("a.b", "/y") is None
    assert built.find("b.b", "/x") is None


def test_each_service_has_its_own_endpoints_at_each_of_its_addresses() -> None:
    def of(namespace: str, service: str, *addresses: str, port: Object) -> Object:
        return {
            "metadata": {
                "namespace": namespace,
                "labels": {"kubernetes.io/service-name": service},
            },
            "addressType": "IPv4",
            "ports": [port],
            "endpoints": [{"addresses": list(addresses)}],
        }

    services = {
        f"n/{name}": {"metadata": {"name": name, "annotations": None}, "spec": {"ports": ports}}
        for name, ports in {
            "web": [{"name": "http", "port": 80}],
            "bare": [{"port": 80}],
            "none": None,
        }.items()
    }
    slices = [
        of("n", "web", "127.1.0.1", "127.1.0.2", port={"name": "http", "port": 8000}),
        of("n", "web", "127.1.0.3", port={"name": "http", "port": 8001}),
        of("n", "web", "127.1.0.4", port={"name": "other", "port": 8002}),
        of("n", "web", "127.1.0.5", port={"name": "http", "port": None}),
        of("m", "web", "127.1.0.6", port={"name": "http", "port": 8000}),
        of("n", "bare", "127.1.0.7", port={"port": 9000}),
        {"metadata": {"namespace": "n"}, "addressType": "IPv4"},
        {"metadata": {"namespace": "n", "labels": {"kubernetes.io/service-name": "web"}},
         "addressType": "IPv4"},
    ]  # fmt: skip
    ingress = _ingress(
        "i",
        _entry("a.b", ("/", "Prefix")),
        _entry("b.b", ("/", "Prefix"), service="bare", port={"number": 80}),
        _entry("c.b", ("/", "Prefix"), service="none"),
        _entry("d.b", ("/", "Prefix"), service="absent"),
    )
    built = model.build([ingress], services, slices, port=PORT)
    assert {str(backend): group.targets for backend, group in built.groups.items()} == {
        "n/web:http": {("127.1.0.1", 8000), ("127.1.0.2", 8000), ("127.1.0.3", 8001)},
        "n/bare:80": {("127.1.0.7", 9000)},
        "n/none:http": set(),
        "n/absent:http": set(),
    }
    assert built.problems == {"n/i": "Service n/absent not found; Service n/none has no port http"}
    assert built.served == {}


def test_an_ingress_s_own_health_check_holds_where_its_service_says_nothing() -> None:
    ingress = _ingress("i", _entry("a.b", ("/", "Prefix")))
    ingress["metadata"]["annotations"][f"{PREFIX}healthcheck-path"] = "/of-the-ingress"
    for services in ({"n/web": SERVICE}, {}):
        [group] = model.build([ingress], services, [], port=PORT).groups.values()
        assert group.health == HealthCheck(path="/of-the-ingress")


def test_the_default_backend_comes_last() -> None:
    backend = {"service": {"name": "web", "port": {"number": 81}}}
    built = _build(_ingress("i", _entry("a.b", ("/", "Exact")), defaultBackend=backend))
    assert built.find("a.b", "/").backend.port == "http"  # type: ignore[union-attr]
    assert built.find("other", "/x").backend.port == "81"  # type: ignore[union-attr]


def test_only_ready_endpoints_of_the_right_port_are_targets() -> None:
    slices = (
        _slice(
            {"addresses": ["127.1.1.1"], "conditions": {"ready": True}},
            {"addresses": ["127.1.1.2"], "conditions": {"ready": False, "serving": True}},
            {"addresses": ["127.1.1.3"]},
        ),
        _slice({"addresses": ["::1"]}, kind="IPv6"),
        _slice(),
    )
    entry = _entry("a.b", ("/", "Prefix"), port={"number": 81})
    built = _build(_ingress("i", entry), slices=slices)
    (group,) = built.groups.values()
    assert group.targets == {("127.1.1.1", 9000), ("127.1.1.3", 9000)}


def test_a_services_own_health_check_wins() -> None:
    service = {
        **SERVICE,
        "metadata": {**SERVICE["metadata"], "annotations": {f"{PREFIX}healthcheck-path": "/own"}},
    }
    entry = _ingress("i", _entry("a.b", ("/", "Prefix")))
    built = model.build([entry], {"n/web": service}, [], port=PORT)
    (group,) = built.groups.values()
    assert group.health == HealthCheck(path="/own")


def test_what_is_wrong_with_a_services_annotations_is_said() -> None:
    annotations = {f"{PREFIX}healthcheck-interval-seconds": "often"}
    service = {**SERVICE, "metadata": {**SERVICE["metadata"], "annotations": annotations}}
    entry = _ingress("i", _entry("a.b", ("/", "Prefix")))
    built = model.build([entry], {"n/web": service}, [], port=PORT)
    assert "healthcheck-interval-seconds: 'often'" in built.problems["n/i"]
    assert list(built.groups.values()) == [TargetGroup(frozenset(), HealthCheck())]


@pytest.mark.parametrize(
    ("ingress", "problem"),
    [
        (_ingress("i", _entry("a.b", ("/", "Prefix"), service="none")), "Service n/none not found"),
        (_ingress("i", _entry("a.b", ("/", "Prefix"), port={"name": "x"})), "has no port x"),
        (_ingress("i", _entry("a.b", ("/", "Prefix"), port={"name": "use-annotation"})), "actions"),
        (_ingress("i", tls=[{"hosts": ["a.b"]}]), "spec.tls"),
        (_ingress("i", defaultBackend={"resource": {"kind": "X"}}), "not a Service"),
    ],
)
def test_what_is_wrong_with_an_ingress_is_said_and_others_are_served(
    ingress: Object, problem: str
) -> None:
    built = _build(ingress, _ingress("good", _entry("good", ("/", "Prefix"))))
    assert problem in built.problems["n/i"]
    assert list(built.served) == ["n/good"]
    assert built.find("good", "/")


@pytest.mark.parametrize(
    ("spec", "annotations", "ours"),
    [
        ({"ingressClassName": "alb"}, {}, True),
        ({"ingressClassName": "nginx"}, {"kubernetes.io/ingress.class": "alb"}, False),
        ({}, {"kubernetes.io/ingress.class": "alb"}, True),
        ({}, {"kubernetes.io/ingress.class": "nginx"}, False),
        ({}, {}, False),
        ({}, None, False),
    ],
)
def test_only_ingresses_of_the_class_are_served(
    spec: Object, annotations: Object, ours: bool
) -> None:
    assert model.is_ours({"metadata": {"annotations": annotations}, "spec": spec}) is ours


def test_the_load_balancers_name_is_a_valid_host_whatever_the_group() -> None:
    ingress = {"metadata": {"namespace": "n" * 60, "name": "i" * 60}}
    for group in (None, "previews", "a.b", "g" * 63):
        name = host_name(ingress, ingress_options.Options(group=group))
        assert all(len(label) <= 63 for label in name.split("."))
        assert name.endswith(".elb.localhost")


def test_the_page_escapes_what_it_shows() -> None:
    preview = Preview("http://<a>/", "n/<i>", 0, 1)
    shown = unknown_host('"><script>', {"<a>": preview}, as_html=True)
    assert "<script>" not in shown
    assert "<a>" not in shown
    assert "<i>" not in shown
    assert "starting" in shown
