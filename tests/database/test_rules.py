from __future__ import annotations

from pathlib import Path

import pytest

from database.scrub import RulesError, load
from database.scrub.rules import Constant, Keep, Null, fingerprint

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
    (
        "tables: {t: {columns: {a: {how: hash}, a: {how: 'null'}}}}",
        "line 1: it is not valid YAML ('a' is there twice)",
    ),
    (
        "tables:\n  t:\n    columns:\n      a: {{x}}",
        "line 4: tables.t.columns.a: without quotes YAML",
    ),
    (
        "tables:\n  t: {columns: {a: {how: constant, value: {x}}}}",
        "line 2: tables.t.columns.a.value",
    ),
    ("tables:\n? [a, b]\n: c", "line 2: it is not valid YAML (a key is a text"),
    (
        "tables:\n  t: {columns: {a: {how: constant, value: 0123}}}",
        "line 2: tables.t.columns.a.value",
    ),
    ("tables:\n  t: {columns: {a: {how: constant, value: 1:30}}}", "write it in decimal digits"),
    ("tables: {t: {columns: {a: {how: constant, value: 0x_}}}}", "write it in decimal digits"),
    (f"tables: {{t: {{columns: {{a: {{how: constant, value: {'9' * 5000}}}}}}}}}", "in quotes"),
    ("tables: " + "[" * 3000, "nested too deeply"),
    ("- a", "Input should be a valid dictionary"),
    ("table: {}", "table: Extra inputs"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_is_unclear_is_refused_and_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "scrub.yaml").write_text(text)
    with pytest.raises(RulesError, match=r"scrub\.yaml") as error:
        load(tmp_path / "scrub.yaml")
    assert message in str(error.value)


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scrub.yaml").write_bytes(b"tables:\n  caf\xe9: {truncate: not needed here}")
    with pytest.raises(RulesError, match=r"scrub\.yaml can't be read: line \d: it is not"):
        load(tmp_path / "scrub.yaml")


def test_constants_are_what_they_were_written_as(tmp_path: Path) -> None:
    (tmp_path / "scrub.yaml").write_text(
        """
tables:
  t:
    columns:
      a: { how: constant, value: 2024-02-30 }
      b: { how: constant, value: 1.50 }
      c: { how: constant, value: on }
      d: { how: constant, value: [1, "2"] }
      no: &same { how: "null" }
      off: *same
      y: { <<: *same, leaving: yes }
"""
    )
    columns = load(tmp_path / "scrub.yaml").tables["t"].columns
    constants = [rule.value for rule in columns.values() if isinstance(rule, Constant)]
    assert constants == ["2024-02-30", 1.5, True, [1, "2"]]
    assert list(columns)[4:] == ["no", "off", "y"]
    assert columns["y"] == Null(how="null", leaving=True)


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
