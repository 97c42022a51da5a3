"""Settings of a server: small for one machine, strict as on RDS."""

from __future__ import annotations

import re
from collections.abc import Mapping

ADMINISTRATOR = "rdsadmin"
PORT = 5432

# `fsync` protects against a crash of the machine only. A killed server loses nothing without it,
# since its writes are in the page cache; after a power cut the sandbox is reset.
_SETTINGS = {
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

# Parameters that would change the server's files or address.
_OURS = frozenset(
    {
        "listen_addresses",
        "unix_socket_directories",
        "unix_socket_permissions",
        "port",
        "shared_buffers",
        "huge_pages",
        "wal_level",
        "max_replication_slots",
        "ssl",
        "ssl_cert_file",
        "ssl_key_file",
        "data_directory",
        "hba_file",
        "ident_file",
        "logging_collector",
        "archive_mode",
        "archive_command",
        "shared_preload_libraries",
    }
)
_NAME = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?")

# RDS rejects connections without TLS (``rds.force_ssl`` is 1 since PostgreSQL 15).
HOST_BASED_AUTHENTICATION = "".join(
    f"{line} scram-sha-256\n" for line in ("local all all", "hostssl all all all")
)
_CERTIFICATE = "../run/server.pem"


# LEAST({DBInstanceClassMemory/9531392}, 5000) of 1 and 2 GiB.
_CONNECTIONS = {"micro": "112", "small": "225"}
# Of a medium class; each allowed connection takes memory, even if unused.
_MOST_CONNECTIONS = "450"


def max_connections(instance_class: str) -> str:
    """Return RDS's value for an instance class, at most that of a medium one."""
    return _CONNECTIONS.get(instance_class.rpartition(".")[2], _MOST_CONNECTIONS)


def postgresql_conf(parameters: Mapping[str, str], *, address: str = "", port: int = PORT) -> str:
    """Return the text of ``postgresql.conf``.

    Args:
        parameters: Parameters of the instance's DB parameter group. RDS's formulas over the
            memory of an instance class are replaced by the sandbox's own sizes.
        address: Address for clients, with TLS; empty for the socket only.
        port: Port of the address and in the socket's name.
    """
    served = {"listen_addresses": address, "port": str(port)}
    if address:
        served |= {"ssl": "on", "ssl_cert_file": _CERTIFICATE, "ssl_key_file": _CERTIFICATE}
    chosen = {
        name: value
        for name, value in parameters.items()
        if _NAME.fullmatch(name) and name not in _OURS and "{" not in value
    }
    lines = {**_SETTINGS, **chosen, **served}
    return "".join(f"{name} = {_quoted(value)}\n" for name, value in lines.items())


def _quoted(value: str) -> str:
    escaped = value.replace("'", "''").replace("\n", " ")
    return f"'{escaped}'"
