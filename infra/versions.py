"""Reads versions.toml: the one place where what runs on the cluster is pinned."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from pydantic import Field

from infra.config_base import Model

FILE = Path(__file__).with_name("versions.toml")


class Versions(Model):
    """Every pinned version.

    Attributes:
        kubernetes: Minor version of a cluster that the program makes.
    """

    kubernetes: str = Field(pattern=r"^1\.[0-9]{2}$")


@cache
def pinned() -> Versions:
    """The versions, read once."""
    return Versions.model_validate(tomllib.loads(FILE.read_text()))
