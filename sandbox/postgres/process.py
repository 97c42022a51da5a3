"""PostgreSQL's programs, each in a container that contains only the server's folder.

A container lets them run as a user who is not root even if the checkout, with the programs and
the data, is in a folder that only root can access.
"""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO

from sandbox.containers.runtime import ContainerSpec, Mount, popen
from sandbox.postgres.binaries import Installation
from sandbox.postgres.folder import InstanceFolder, server_group, server_user

_PROGRAMS = "/usr/lib/postgresql"
_HOME = "/var/lib/postgresql"

# A child ends with the thread that started it (prctl(2), PR_SET_PDEATHSIG), so all servers are
# started from this one, which lasts as long as the process.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="postgres-starter")


@dataclass(frozen=True)
class Program:
    """A program of PostgreSQL with a server's folder.

    Attributes:
        installation: Installed version of the program.
        folder: The server's folder.
        name: ``postgres`` or ``initdb``.
        arguments: Arguments without secrets; paths are relative to the data folder.
    """

    installation: Installation
    folder: InstanceFolder
    name: str
    arguments: tuple[str, ...] = ()

    def start(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start it in the data folder; it ends with this process."""
        spec = ContainerSpec(
            layers=(),
            argv=(
                f"{_PROGRAMS}/bin/{self.name}",
                *self.arguments,
            ),
            env={"LC_ALL": "C.UTF-8", "TZ": "UTC"},
            cwd=f"{_HOME}/data",
            uid=server_user(),
            gid=server_group(),
            read_only_root=True,
            mounts=(
                Mount(self.installation.folder, _PROGRAMS),
                Mount(self.folder.data, f"{_HOME}/data", read_only=False),
                Mount(self.folder.run, f"{_HOME}/run", read_only=False),
            ),
        )
        return _starter.submit(popen, spec, stdout=output, stderr=output).result()
