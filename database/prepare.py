"""``python -m database.prepare``: make a copy of staging's database safe to hand over.

Scrubs it, proves that, and only then makes the roles that may connect. Runs from an image
that is trusted, before any code of the pull request, and can be run again: what was proven
once is left as it is.
"""

from __future__ import annotations

import sys
from contextlib import closing

import psycopg2
from alembic.script import ScriptDirectory

from database import scrub
from database.warm import warm
from service.database.connection import connect
from service.migrate import alembic_config
from service.prepare.__main__ import prepare as prepare_roles
from service.prepare.errors import PrepareError
from service.settings import ConfigurationError, PrepareSettings, load


def prepare(settings: PrepareSettings, rules: scrub.Rules) -> None:
    """Scrub, prove, make the roles.

    Raises:
        ScrubError: Data of real people may be left; nobody may connect.
        PrepareError: Something else would be left unsafe; nobody may connect.
        psycopg2.Error: The database refused; nobody may connect.
    """
    master = settings.login(settings.master_user, settings.master_password)
    with (
        closing(connect(master, application="database-scrub")) as one,
        closing(connect(master, application="database-scrub")) as other,
    ):
        say(f"{scrub.run(one, other, rules=rules, revision=newest_revision())}")
        scrub.prove(one, other, rules=rules)
        say("proven: nothing that looks like real people's data is left")
        say(f"{warm(one) / 2**20:.0f} MiB of tables read through")
    prepare_roles(settings)


def newest_revision() -> str | None:
    """The migration that this image's rules describe."""
    return ScriptDirectory.from_config(alembic_config()).get_current_head()


def say(line: str) -> None:
    """Tell how far it is."""
    sys.stdout.write(f"scrub: {line}\n")
    sys.stdout.flush()


def complain(line: str) -> None:
    """Tell why it ended; the last line is what Kubernetes shows of the Job."""
    sys.stderr.write(f"{' '.join(line.split())}\n")


def main() -> int:
    """Prepare.

    Returns:
        Exit code: 0 when all of it holds, 1 when nobody may connect, 2 for a wrong environment.
    """
    try:
        prepare(load(PrepareSettings), scrub.load())
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except scrub.ScrubError as error:
        complain(f"scrub: {error}")
        return 1
    except (PrepareError, psycopg2.Error) as error:
        complain(f"prepare: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
