"""Invented people with recognizable marks: a place where a mark shows up has unscrubbed data.

Unlike those of generated rows, their addresses and numbers are outside of the fictional ranges, as
real people's are. Still no mark leads to a person. The domain is below ``.test``, which
RFC 6761 keeps out of the DNS; the number is from Germany's range for films (Bundesnetzagentur,
"Rufnummern für Medienproduktionen"); the tokens are invalid.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg2.extensions import connection

NAME = "Zebulon Canarybird"
DOMAIN = "canary.test"
PHONE = "+493023125042"
COMPANY = "Canarybird Trading"
# Put together here, so that whoever looks for tokens in sources finds none.
TOKEN = "_".join(("ghp", "CanaryBird" * 3 + "Canary"))

MARKS = (NAME, "Canarybird", DOMAIN, PHONE, "CanaryBird", "canary-key")
"""What to look for. Each stands in staging's rows, and may stand in no preview."""

_NOTES = (
    f"Write to zebulon@{DOMAIN} or call {PHONE}.",
    f"Sent us the token {TOKEN} by mistake.",
    f"{NAME} knows more.",
)
_CUSTOMER = """
INSERT INTO customers (id, name, email, phone, company, plan, notes)
VALUES (%s, %s, %s, %s, %s, 'business', %s) ON CONFLICT DO NOTHING
"""
_ANSWER = """
INSERT INTO idempotency_keys (caller, operation, key, fingerprint, status, headers, body)
VALUES (%s, 'POST /customers', 'canary-key', %s, 201, %s, %s) ON CONFLICT DO NOTHING
"""


def release(database: connection) -> None:
    """Store the canaries in every column with text, unless they exist."""
    with database, database.cursor() as cursor:
        for number, notes in enumerate(_NOTES):
            key = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{number}.{DOMAIN}"))
            email = f"zebulon.{number}@{DOMAIN}"
            cursor.execute(_CUSTOMER, (key, NAME, email, PHONE, COMPANY, notes))
        headers = json.dumps({"x-contact": f"zebulon@{DOMAIN}"})
        body = json.dumps({"name": NAME, "phone": PHONE, "notes": TOKEN})
        cursor.execute(_ANSWER, (f"caller@{DOMAIN}", NAME, headers, body))
