from __future__ import annotations

import pytest

from sandbox.postgres.configuration import (
    HOST_BASED_AUTHENTICATION,
    max_connections,
    postgresql_conf,
)
from sandbox.postgres.roles import is_reserved

EXPECTED = {
    "unix_socket_directories": "../run",
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "max_connections": "60",
    "superuser_reserved_connections": "3",
    "shared_buffers": "16MB",
    "huge_pages": "off",
    "work_mem": "4MB",
    "maintenance_work_mem": "32MB",
    "jit": "off",
    "max_worker_processes": "4",
    "max_parallel_maintenance_workers": "0",
    "max_logical_replication_workers": "0",
    "autovacuum_max_workers": "1",
    "wal_level": "replica",
    "max_wal_senders": "0",
    "max_replication_slots": "2",
    "min_wal_size": "8MB",
    "max_wal_size": "128MB",
    "wal_compression": "on",
    "fsync": "off",
    "full_page_writes": "off",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_checkpoints": "off",
    "timezone": "UTC",
}


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
        ("unix_socket_permissions", "0777"),
        ("port", "1"),
        ("shared_buffers", "{DBInstanceClassMemory/32768}"),
        ("shared_buffers", "8GB"),
        ("huge_pages", "on"),
        ("wal_level", "minimal"),
        ("max_replication_slots", "0"),
        ("ssl", "off"),
        ("ssl_cert_file", "/x"),
        ("ssl_key_file", "/x"),
        ("data_directory", "/x"),
        ("hba_file", "/x"),
        ("ident_file", "/x"),
        ("logging_collector", "on"),
        ("archive_mode", "on"),
        ("archive_command", "rm -r /"),
        ("shared_preload_libraries", "pg_stat_statements"),
    ],
)
def test_what_would_undo_the_servers_place_is_not_taken(name: str, value: str) -> None:
    address = "127.1.1.1"
    assert lines({name: value}, address).get(name) == lines({}, address).get(name)


def test_a_server_is_small_and_does_not_wait_for_a_disk() -> None:
    found = lines({})
    assert found["listen_addresses"] == "''"
    assert found["port"] == "'5432'"
    assert "ssl" not in found
    assert {name: found[name].strip("'") for name in EXPECTED} == EXPECTED
    assert found.keys() - EXPECTED.keys() == {"listen_addresses", "port"}


def test_an_address_is_served_by_tls_and_no_other_way() -> None:
    served = lines({}, "127.1.1.1").items() - lines({}).items()
    assert dict(served) == {
        "listen_addresses": "'127.1.1.1'",
        "ssl": "'on'",
        "ssl_cert_file": "'../run/server.pem'",
        "ssl_key_file": "'../run/server.pem'",
    }
    assert HOST_BASED_AUTHENTICATION.splitlines() == [
        "local all all scram-sha-256",
        "hostssl all all all scram-sha-256",
    ]


def test_parameters_of_extensions_have_a_dot() -> None:
    assert lines({"auto_explain.log_analyze": "on"})["auto_explain.log_analyze"] == "'on'"


def test_formulas_over_an_instance_class_are_left_to_the_sandbox() -> None:
    assert lines({"work_mem": "{DBInstanceClassMemory/100}"})["work_mem"] == "'4MB'"


@pytest.mark.parametrize(
    ("instance_class", "connections"),
    [
        ("db.t4g.micro", "112"),
        ("db.t4g.small", "225"),
        ("db.t4g.medium", "450"),
        ("db.r7g.8xlarge", "450"),
    ],
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
