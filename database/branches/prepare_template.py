"""``python -m database.branches.prepare_template``: turn a restored database into the template.

The Job of a generation runs it once, from the trusted image, as the master user.
"""

from __future__ import annotations

import os
import subprocess
import sys

import psycopg2
from pydantic import Field, SecretStr

from database.branches import template
from database.branches.errors import BranchError
from database.branches.server import Master
from database.branches.template import Restored
from service.settings import ConfigurationError, DatabaseAddress, load


class TemplateSettings(DatabaseAddress):
    """The restored database, as its master user: ``DATABASE_*``.

    Attributes:
        user: The master user.
        password: Its password.
        snapshot: What the server was restored from.
    """

    user: str = Field(min_length=1)
    password: SecretStr
    snapshot: str = Field(min_length=1)


class ScrubFailedError(BranchError):
    """The scrub ended with an error, which it has told itself."""


def scrub() -> None:
    """Scrub and prove in a process of its own, which reads the same environment.

    Raises:
        ScrubFailedError: It did not end well; then there is no template.
    """
    done = subprocess.run([sys.executable, "-m", "database.scrub"], check=False, env=os.environ)
    if done.returncode != 0:
        raise ScrubFailedError(
            f"the scrub ended with exit code {done.returncode}; nothing is cloned from this server."
        )


def main() -> int:
    """Make the template.

    Returns:
        Exit code: 0 when it is there, 1 when it is not, 2 for a wrong environment.
    """
    try:
        settings = load(TemplateSettings)
        master = Master(
            settings.host, settings.user, settings.password, settings.port, settings.sslmode
        )
        template.make(Restored(master, settings.name, settings.snapshot), scrub, _say)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (BranchError, psycopg2.Error) as error:
        sys.stderr.write(f"template: {' '.join(str(error).split())}\n")
        return 1
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"template: {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
