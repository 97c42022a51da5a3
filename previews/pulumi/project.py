"""The Pulumi project of another app than the platform's own, made from the platform's.

Its folder is ``apps/<app>/`` beside the program. ``Pulumi.yaml`` there is written before each
command of Pulumi and never committed; ``Pulumi.staging.yaml`` is people's. Both projects run one
program, so they have the same keys, with the same defaults.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from previews.errors import PreviewsError
from previews.files import write_at_once

if TYPE_CHECKING:
    from contract.stack_name import AppName
    from previews.settings import Settings

_FILE = "Pulumi.yaml"
_OF_THE_CONTENT = (AttributeError, KeyError, RecursionError, TypeError, ValueError)
_HEAD = "# Written by `previews --app`, from the platform's Pulumi.yaml; a change here is lost.\n"


def prepare_project(settings: Settings) -> Path:
    """Return the folder of the app's project, whose Pulumi.yaml is written if it differs.

    Raises:
        PreviewsError: The platform's project can't be read, or the folder can't be written.
    """
    app, folder = settings.app_name, settings.project_folder
    if app.is_platform:
        return folder
    platform = settings.project / _FILE
    try:
        declared = yaml.safe_load(platform.read_text())
        made = project(
            declared, app, source=os.path.relpath(settings.app_folder, settings.project.resolve())
        )
        _write(folder / _FILE, _HEAD + yaml.safe_dump(made, sort_keys=False))
    except (OSError, yaml.YAMLError, *_OF_THE_CONTENT) as error:
        raise PreviewsError(
            "app-project",
            f"Pulumi project of app {app}",
            why=f"{folder / _FILE} can't be made from {platform}: {error!r}",
            remedy="run it in a complete checkout of the platform, which it may write to.",
        ) from error
    return folder


def project(platform: dict[str, Any], app: AppName, *, source: str) -> dict[str, Any]:
    """Return an app's Pulumi.yaml.

    The keys belong to the platform's project, and Pulumi accepts nothing but a value for a key of
    another project: so each default becomes a value, which a stack's own overrides.

    Args:
        platform: The platform's Pulumi.yaml.
        app: The app.
        source: Folder of the app, relative to the platform's checkout.
    """
    name = platform["name"]
    values = {
        f"{name}:{key}": declared["default"]
        for key, declared in platform["config"].items()
        if "default" in declared
    }
    values[f"{name}:source"] = source
    runtime = platform["runtime"]
    options = {**runtime["options"], "virtualenv": f"../../{runtime['options']['virtualenv']}"}
    return {
        "name": str(app),
        "description": f"Previews of {app}, one stack a pull request.",
        "runtime": {**runtime, "options": options},
        "main": f"../../{platform['main']}",
        "config": {key: {"value": value} for key, value in values.items()},
    }


def _write(file: Path, text: str) -> None:
    """Replace a file in one step, since several commands may run at once."""
    if file.exists() and file.read_text() == text:
        return
    write_at_once(file, text)
