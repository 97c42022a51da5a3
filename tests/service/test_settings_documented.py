from __future__ import annotations

import re
from pathlib import Path

from pydantic import AliasChoices

from service.settings import BuildInformation, DatabaseSettings, Settings

DOCUMENT = Path(__file__).parents[2] / "docs" / "service.md"


def variables() -> set[str]:
    found = set()
    for model, prefix in (
        (Settings, ""),
        (DatabaseSettings, "DATABASE_"),
        (BuildInformation, "APP_"),
    ):
        for name, field in model.model_fields.items():
            alias = field.validation_alias
            if isinstance(alias, AliasChoices):
                found.add(str(alias.choices[-1]))
            else:
                found.add(str(alias or f"{prefix}{name}".upper()))
    return found


def test_every_setting_is_documented_and_no_other() -> None:
    rows = set(re.findall(r"^\| `([A-Z_]+)` \|", DOCUMENT.read_text(), re.MULTILINE))
    assert rows == variables()
