"""Extensions of a database in mode ``branch``, which staging's controller creates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.errors import ProgramError
from infra.stacks import main
from previews.lifecycle.label_config import DATABASE_MODE_LABELS
from tests.infra.world import PREVIEW_CONFIG, STAGING_CONFIG, Cloud, Deployment, deploy

CLAIM = "kubernetes:previews.internal/v1alpha1:DatabaseBranch"


def app_at(folder: Path, *extensions: str) -> dict[str, Any]:
    folder.mkdir()
    (folder / "preview.yaml").write_text(f"database: {{extensions: [{', '.join(extensions)}]}}\n")
    (folder / "scrub.yaml").write_text("tables: {}\n")
    return {"source": str(folder)}


@pytest.fixture(scope="module")
def staging_outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("staging") / "app"
    config = STAGING_CONFIG | {"branches": {"enabled": True}} | app_at(folder, "citext", "hstore")
    return deploy("staging", main, config=config).outputs


def preview(staging: dict[str, Any], source: dict[str, Any], mode: str = "branch") -> Deployment:
    database = PREVIEW_CONFIG["database"] | {"mode": mode}
    config = PREVIEW_CONFIG | {"database": database} | source
    return deploy("pr-42", main, config=config, cloud=Cloud(staging=staging))


def test_staging_publishes_its_extensions(staging_outputs: dict[str, Any]) -> None:
    assert staging_outputs["platform"]["branches"]["extensions"] == ["citext", "hstore"]


@pytest.mark.parametrize("extensions", [(), ("hstore",), ("hstore", "citext")])
def test_a_pull_request_may_have_what_staging_has(
    staging_outputs: dict[str, Any], tmp_path: Path, extensions: tuple[str, ...]
) -> None:
    assert preview(staging_outputs, app_at(tmp_path / "app", *extensions)).one(CLAIM)


def test_a_further_extension_is_refused_by_name(
    staging_outputs: dict[str, Any], tmp_path: Path
) -> None:
    source = app_at(tmp_path / "app", "citext", "uuid-ossp", "ltree")
    cloud = Cloud(staging=staging_outputs)
    database = PREVIEW_CONFIG["database"] | {"mode": "branch"}
    with pytest.raises(ProgramError) as caught:
        deploy("pr-42", main, config=PREVIEW_CONFIG | {"database": database} | source, cloud=cloud)
    assert caught.value.what == "preview.yaml, database.extensions"
    assert "uuid-ossp, ltree" in caught.value.why
    assert "citext" not in caught.value.why
    assert "deploy staging first" in caught.value.remedy
    [label] = [label for label, mode in DATABASE_MODE_LABELS.items() if mode == "snapshot"]
    assert label in caught.value.remedy
    assert CLAIM not in cloud.made


def test_a_database_of_its_own_gets_them_all(
    staging_outputs: dict[str, Any], tmp_path: Path
) -> None:
    source = app_at(tmp_path / "app", "uuid-ossp")
    job = preview(staging_outputs, source, "snapshot").one("kubernetes:batch/v1:Job", "prepare")
    [container] = job.inputs["spec"]["template"]["spec"]["containers"]
    variables = {one["name"]: one.get("value") for one in container["env"]}
    assert "uuid-ossp" in str(variables)
