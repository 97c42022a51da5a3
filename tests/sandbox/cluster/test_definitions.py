"""CustomResourceDefinitions as this cluster serves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.cluster.definitions import CHECKSUM, definitions


def _definition(kind: str = "ExternalSecret", served: tuple[str, ...] = ("v1",)) -> dict[str, Any]:
    versions = [
        {"name": name, "served": name in served, "storage": name == "v1", "schema": {"a": "b"}}
        for name in ("v1", "v1beta1")
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.lower()}s.external-secrets.io", "annotations": {"x": "y"}},
        "spec": {
            "names": {"kind": kind},
            "versions": versions,
            "conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {}}},
        },
    }


def _prepare(folder: Path, *documents: dict[str, Any]) -> list[dict[str, Any]]:
    for number, document in enumerate(documents):
        (folder / f"{number}.yaml").write_text(yaml.safe_dump(document))
    return list(definitions(folder))


def test_one_version_is_left_and_nothing_to_convert(tmp_path: Path) -> None:
    (prepared,) = _prepare(tmp_path, _definition())
    assert [version["name"] for version in prepared["spec"]["versions"]] == ["v1"]
    assert prepared["spec"]["conversion"] == {"strategy": "None"}


def test_two_served_versions_would_need_the_webhook(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected one served version, found v1, v1beta1"):
        _prepare(tmp_path, _definition(served=("v1", "v1beta1")))


def test_kinds_that_nobody_acts_on_are_left_out(tmp_path: Path) -> None:
    prepared = _prepare(tmp_path, _definition(), _definition("PushSecret"), _definition("Webhook"))
    assert [each["spec"]["names"]["kind"] for each in prepared] == ["ExternalSecret"]


def test_the_checksum_follows_the_content(tmp_path: Path) -> None:
    (first,) = _prepare(tmp_path, _definition())
    (again,) = _prepare(tmp_path, _definition())
    changed = _definition()
    changed["spec"]["versions"][0]["schema"] = {"a": "c"}
    (other,) = _prepare(tmp_path, changed)
    sums = [each["metadata"]["annotations"][CHECKSUM] for each in (first, again, other)]
    assert sums[0] == sums[1] != sums[2]
