"""``python -m database.scrub``: scrub and prove one database, as its owner (``DATABASE_*``)."""

from __future__ import annotations

import sys
from contextlib import closing

import psycopg2

from database import scrub
from database.prepare import newest_revision, report, report_failure
from service.database.connection import connect
from service.settings import ConfigurationError, MigrationSettings, load


def main() -> int:
    """Scrub and prove; afterwards only the owner may connect.

    Returns:
        Exit code: 0 if the scrub is proven, 1 if not, 2 for an invalid environment.
    """
    try:
        owner = load(MigrationSettings)
        rules = scrub.load()
        with (
            closing(connect(owner, application="database-scrub")) as one,
            closing(connect(owner, application="database-scrub")) as other,
        ):
            report(f"{scrub.run(one, other, rules=rules, revision=newest_revision())}")
            scrub.prove(one, other, rules=rules)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (scrub.ScrubError, psycopg2.Error) as error:
        report_failure(f"scrub: {error}")
        return 1
    report("proven")
    return 0


if __name__ == "__main__":
    sys.exit(main())
