from __future__ import annotations

import pytest

from sandbox.postgres.configuration import max_connections, postgresql_conf
from sandbox.postgres.roles import is_reserved


def lines(parameters: dict[str, str], address: str = "") -> dict[str, str]:
    text = postgresql_conf(parameters, address=address)
    return dict(line.split(" = ", 1) for line in text.splitlines())


def test_parameters_of_the_group_are_taken() -> None:
    assert lines({"log_min_duration_statement": "250"})["log_min_duration_statement"] == "'250'"
    assert lines({"max_connections": "20"})["max_connections"] == "'20'"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("listen_addresses", "*"),
        ("unix_socket_directories", "/tmp"),
        ("shared_buffers", "{DBInstanceClassMemory/32768}"),
        ("ssl", "off"),
        ("shared_preload_libraries", "pg_stat_statements"),
    ],
)
def test_what_would_undo_the_servers_place_is_not_taken(name: str, value: str) -> None:
    address = "127.1.1.1"
    assert lines({name: value}, address).get(name) == lines({}, address).get(name)


def test_formulas_over_an_instance_class_are_left_to_the_sandbox() -> None:
    assert lines({"work_mem": "{DBInstanceClassMemory/100}"})["work_mem"] == "'4MB'"


@pytest.mark.parametrize(
    ("instance_class", "connections"),
    [("db.t4g.micro", "112"), ("db.t4g.medium", "450"), ("db.r7g.8xlarge", "450")],
)
def test_a_class_has_as_many_connections_as_on_rds(instance_class: str, connections: str) -> None:
    assert max_connections(instance_class) == connections


def test_a_value_cannot_end_its_line() -> None:
    text = postgresql_conf({"application_name": "it's\nfsync = on"})

    assert "application_name = 'it''s fsync = on'" in text.splitlines()


def test_a_name_that_is_no_parameter_is_not_written() -> None:
    assert "evil" not in postgresql_conf({"evil = 1\nx": "1"})


@pytest.mark.parametrize("name", ["rdsadmin", "RDSADMIN", "pg_admin", "rds_superuser", "public"])
def test_reserved_names(name: str) -> None:
    assert is_reserved(name)


@pytest.mark.parametrize("name", ["postgres", "dbadmin", "staging"])
def test_names_that_rds_accepts(name: str) -> None:
    assert not is_reserved(name)
