"""``python -m bench.scrub``: time of the scrub and the proof of a million customers."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from bench.report import Results
from bench.service.subjects import database
from database import scrub

_ROWS = 1_000_000


def main() -> None:
    """Measure the two figures."""
    results = Results.read()
    rules = scrub.load(Path(__file__).resolve().parents[2] / "scrub.yaml")
    with database(_ROWS) as (server, environment):
        name = environment["DATABASE_NAME"]
        with closing(server.connect(name)) as one, closing(server.connect(name)) as other:
            began = time.perf_counter()
            done = scrub.run(one, other, rules=rules)
            scrubbed = time.perf_counter()
            scrub.prove(one, other, rules=rules)
            proven = time.perf_counter()
    if done.rows != _ROWS:
        message = f"expected {_ROWS} rows, {done.rows} were scrubbed"
        raise SystemExit(message)
    results.add("scrub", "a million customers scrubbed and proven", "s", [proven - began], 60)
    results.add("proof", "of it the proof", "s", [proven - scrubbed])


if __name__ == "__main__":
    main()
