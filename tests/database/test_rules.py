from __future__ import annotations

from pathlib import Path

import pytest

from database.scrub import RulesError, load
from database.scrub.rules import Keep, fingerprint

WRONG = [
    ("tables: [", "can't be read"),
    ("tables: {t: {columns: {a: {how: keep}}}}", "tables.t.columns.a.keep.why: Field required"),
    ("tables: {t: {columns: {a: {how: burn}}}}", "burn"),
    (
        "tables: {t: {columns: {a: {how: fake, kind: emial}}}}",
        "tables.t.columns.a.fake.kind: expected one of email, username, url, uuid, person, ",
    ),
    ("tables: {t: {columns: {a: {how: 'null', kind: email}}}}", "Extra inputs"),
    ("tables: {t: {}}", "expected either `truncate` with its reason or `columns`"),
    (
        "tables: {t: {truncate: not needed there, columns: {a: {how: hash}}}}",
        "expected either `truncate` with its reason or `columns`",
    ),
    ("tables: {t: {columns: {a: {how: hash}, a: {how: 'null'}}}}", "duplicate key 'a'"),
    ("table: {}", "table: Extra inputs"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_is_unclear_is_refused_and_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "scrub.yaml").write_text(text)
    with pytest.raises(RulesError, match=r"scrub\.yaml") as error:
        load(tmp_path / "scrub.yaml")
    assert message in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match=r"absent.yaml can't be read"):
        load(tmp_path / "absent.yaml")


def test_a_changed_rule_has_another_fingerprint() -> None:
    one, same, other = (
        Keep(how="keep", why=why) for why in ("a good reason", "a good reason", "another one")
    )
    assert fingerprint(one) == fingerprint(same) != fingerprint(other)
    # Databases hold it: another one for the same rule would have it applied again.
    assert fingerprint(one) == "bd7499bc76d8fd6c"


@pytest.mark.parametrize(("length", "taken"), [(7, False), (8, True), (200, True), (201, False)])
def test_a_reason_is_a_sentence(length: int, taken: bool, tmp_path: Path) -> None:
    reason = "w" * length
    file = tmp_path / "scrub.yaml"
    for rule in (
        f"{{truncate: {reason}}}",
        f"{{columns: {{a: {{how: keep, why: {reason}}}}}}}",
    ):
        file.write_text(f"tables: {{t: {rule}}}")
        if taken:
            assert load(file).tables.keys() == {"t"}
        else:
            with pytest.raises(RulesError, match="characters"):
                load(file)
