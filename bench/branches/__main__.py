"""Times of a clone, of dump and restore, and of a copy of a stopped server, by size.

The third is the sandbox's restore of a snapshot. On AWS it takes 8 to 14 minutes more for the
instance, and the time of loading its blocks from S3.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from bench.report import Results
from database.branches import clones, registry, template
from tests.database.branches.conftest import Shared
from tests.service.postgres import CLIENTS, FAST, Server

# Approximate size of a row with its index.
_BYTES_A_ROW = 1100


def seconds(action: Callable[[], object]) -> float:
    """Return the duration of ``action`` in seconds."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def fill(shared: Shared, gigabytes: float) -> None:
    """Grow the restored database to this size, by rows that do not compress."""
    rows = int(gigabytes * 2**30 / _BYTES_A_ROW)
    with shared.master.connect("service") as connection, connection.cursor() as cursor:
        cursor.execute("SET ROLE service_migrator")
        cursor.execute("CREATE TABLE ballast (id int PRIMARY KEY, text text)")
        cursor.execute("ALTER TABLE ballast ALTER COLUMN text SET STORAGE PLAIN")
        cursor.execute(
            "INSERT INTO ballast SELECT n, repeat(md5(n::text), 32) FROM generate_series(1, %s) n",
            (rows,),
        )


def clone(shared: Shared) -> None:
    """Clone as for a preview in mode branch, without roles and grants."""
    with registry.session(shared.master) as session:
        clones.drop(session, clones.copy_template(session))


def dump_and_restore(server: Server, source: str) -> None:
    """Run ``pg_dump | pg_restore`` into another database on the same server."""
    login = {**os.environ, "PGPASSWORD": server.password, "PGHOST": server.address}
    server.execute("CREATE DATABASE restored")
    dump = subprocess.Popen(
        [CLIENTS / "pg_dump", "-U", "master", "-Fc", "-Z0", source],
        stdout=subprocess.PIPE,
        env=login,
    )
    subprocess.run(
        [CLIENTS / "pg_restore", "-U", "master", "--no-owner", "-d", "restored"],
        stdin=dump.stdout,
        check=True,
        env=login,
    )
    if dump.wait() != 0:
        raise RuntimeError("pg_dump failed")
    server.execute("DROP DATABASE restored")


def copy_of_the_server(server: Server, folder: Path) -> None:
    """Start a server on a copy of all files, and wait for its first response."""
    copied = Server(folder, server.address, server.password)
    shutil.copytree(server.folder / "data", folder / "data", copy_function=shutil.copy2)
    if os.getuid() == 0:  # PostgreSQL does not run as root.
        subprocess.run(["chown", "-R", "nobody", folder], check=True)
    folder.chmod(0o755)
    try:
        copied.start()
    finally:
        copied.remove()


def measure(gigabytes: float, runs: int, results: Results) -> None:
    """Measure all three at one size, in turns, so that noise affects all alike."""
    taken: dict[str, list[float]] = {"clone": [], "dump": [], "copy": []}
    shared = Shared.create()
    try:
        fill(shared, gigabytes)
        taken["dump"] = [seconds(lambda: dump_and_restore(shared.server, "service"))]
        template.make(shared.restored, shared.scrub, print)
        taken["clone"] = [seconds(lambda: clone(shared)) for _ in range(runs)]
        shared.server.stop()
        folder = shared.server.folder.with_name(f"{shared.server.folder.name}-copy")
        taken["copy"] = [seconds(lambda: copy_of_the_server(shared.server, folder))]
    finally:
        shared.server.remove()
    size = f"{gigabytes:g} GB"
    results.add(f"clone-{size}", f"clone of a template, {size}", "s", taken["clone"])
    results.add(f"dump-{size}", f"`pg_dump` into `pg_restore`, {size}", "s", taken["dump"])
    results.add(
        f"restore-{size}",
        f"copy of the whole server up to its first answer, as the sandbox restores, {size}",
        "s",
        taken["copy"],
    )


def main() -> None:
    """Measure the figures and write the report."""
    parser = argparse.ArgumentParser(prog="python -m bench.branches", description=__doc__)
    parser.add_argument("--sizes", type=float, nargs="+", default=[0.1, 1, 5], help="in GB")
    parser.add_argument("--runs", type=int, default=3, help="clones of each size")
    arguments = parser.parse_args()
    results = Results.read()
    print(f"PostgreSQL with {', '.join(FAST)}")
    for gigabytes in arguments.sizes:
        measure(gigabytes, arguments.runs, results)


if __name__ == "__main__":
    main()
