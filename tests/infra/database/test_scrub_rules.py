"""The file with the rules, as staging publishes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.database.scrub_rules import read_rules
from infra.errors import ProgramError


def test_the_text_is_published_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "scrub.yaml"
    path.write_text("# Über\ntables: {}\n", "utf-8")
    assert read_rules(path) == "# Über\ntables: {}\n"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "can't be read"),
        (b"\xff\xfe", "can't be read"),
        (b" \n", "is empty"),
        (b"#" * (1000 * 1024 + 1), "has 1024001 bytes, and a ConfigMap holds 1024000"),
    ],
)
def test_a_file_that_no_job_could_use_is_refused(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    path = tmp_path / "scrub.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ProgramError) as error:
        read_rules(path)
    assert "rules of the scrub, scrub.yaml" in str(error.value)
    assert why in str(error.value)
