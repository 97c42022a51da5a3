"""An order as a customer sees it, with the standard library alone."""

import json
import os
import unittest
import urllib.request
import uuid
from typing import Any

BASE_URL = os.environ["BASE_URL"]


def call(path: str, body: dict[str, str] | None = None) -> Any:
    """Send a request; return the JSON of its response."""
    request = urllib.request.Request(
        BASE_URL + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


class Orders(unittest.TestCase):
    """Orders of a new customer."""

    def test_an_order_is_found_by_its_link(self) -> None:
        placed = call("/orders", {"email": f"{uuid.uuid4()}@example.com", "item": "tea"})
        assert placed["link"] == f"{BASE_URL}/orders/{placed['id']}"
        assert call(f"/orders/{placed['id']}")["item"] == "tea"
