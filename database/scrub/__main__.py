"""``python -m database.scrub``: scrub and prove one database, as its owner: ``DATABASE_*``."""

from __future__ import annotations

import sys
from contextlib import closing

import psycopg2

from database import scrub
from database.prepare import complain, newest_revision, say
from service.database.connection import connect
from service.settings import ConfigurationError, MigrationSettings, load


def main() -> int:
    """Scrub and prove; nobody but the owner may connect afterwards.

    Returns:
        Exit code: 0 when it is proven, 1 when not, 2 for a wrong environment.
    """
    try:
        owner = load(MigrationSettings)
        rules = scrub.load()
        with (
            closing(connect(owner, application="database-scrub")) as one,
            closing(connect(owner, application="database-scrub")) as other,
        ):
            say(f"{scrub.run(one, other, rules=rules, revision=newest_revision())}")
            scrub.prove(one, other, rules=rules)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (scrub.ScrubError, psycopg2.Error) as error:
        complain(f"scrub: {error}")
        return 1
    say("proven")
    return 0


if __name__ == "__main__":
    sys.exit(main())
