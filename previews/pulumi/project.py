"""Pulumi projects that are made from the platform's: another app's, and a pull request's program.

An app's folder is ``apps/<app>/`` beside the program. ``Pulumi.yaml`` there is written before each
command of Pulumi and never committed; ``Pulumi.staging.yaml`` is people's. Both projects run one
program, so they have the same keys, with the same defaults.

A pull request's program runs from ``pull-request/``: a project of ours, with the virtual
environment and the backend of the default branch. The folder of its checkout is on the path of its
own process alone: the policy pack's server imports nothing of it.
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
_STAGING = "Pulumi.staging.yaml"
_OF_THE_PLATFORM = ("name", "description", "backend")
_LAUNCHER = "__main__.py"
_OF_THE_CONTENT = (AttributeError, KeyError, RecursionError, TypeError, ValueError)
_HEAD = "# Written by `previews --app`, from the platform's Pulumi.yaml; a change here is lost.\n"


def prepare_project(settings: Settings) -> Path:
    """Return the folder of the app's project, whose Pulumi.yaml is written if it differs.

    Raises:
        PreviewsError: The platform's project can't be read, or the folder can't be written.
    """
    app, folder = settings.app_name, settings.project_folder
    if settings.program is not None:
        return _prepare_program(settings, settings.program, folder)
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


def _prepare_program(settings: Settings, program: Path, folder: Path) -> Path:
    """Write the project that runs a pull request's program.

    Raises:
        PreviewsError: It is another app's, its Pulumi.yaml can't be read, or the folder can't be
            written.
    """
    if not settings.app_name.is_platform:
        raise PreviewsError(
            "program-of-an-app",
            f"program {program}",
            why=f"the app is {settings.app_name}, and apps run the platform's own program",
            remedy="unset PREVIEWS_PROGRAM or PREVIEWS_APP.",
        )
    try:
        own = yaml.safe_load((settings.project / _FILE).read_text())
        changed = yaml.safe_load((program / _FILE).read_text())
        made = project_of_program(own, changed)
        staging = settings.project / _STAGING
        _write(folder / _FILE, yaml.safe_dump(made, sort_keys=False))
        _write(folder / _LAUNCHER, _launcher(program.resolve(), str(own["main"])))
        if staging.exists():
            _write(folder / _STAGING, staging.read_text())
    except (OSError, yaml.YAMLError, *_OF_THE_CONTENT) as error:
        raise PreviewsError(
            "program-project",
            f"program {program}",
            why=f"{folder / _FILE} can't be made from its {_FILE}: {error!r}",
            remedy="correct that file in the pull request; `git diff` shows what it changes.",
        ) from error
    return folder


def project_of_program(own: dict[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
    """Return the Pulumi.yaml that runs a pull request's program.

    Its keys and defaults are the pull request's, since its program reads them. Name, runtime and
    backend decide which state is touched, and with which code: they are the platform's.

    Args:
        own: The platform's Pulumi.yaml.
        changed: The pull request's.
    """
    options = own["runtime"]["options"]
    kept: dict[str, Any] = {key: own[key] for key in _OF_THE_PLATFORM if key in own}
    return {
        **kept,
        "runtime": {
            **own["runtime"],
            "options": {**options, "virtualenv": f"../{options['virtualenv']}"},
        },
        "main": _LAUNCHER,
        "config": dict(changed["config"]),
    }


def _launcher(checkout: Path, main: str) -> str:
    """Return a program that runs the program of a checkout, with its modules.

    The virtual environment has the platform's modules, so the checkout comes before it.
    """
    return (
        "import runpy\nimport sys\n\n"
        f"sys.path.insert(0, {str(checkout)!r})\n"
        f"runpy.run_path({str(checkout / main)!r}, run_name='__main__')\n"
    )


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
