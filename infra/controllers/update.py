"""Update the pinned versions: ``make versions``.

Sources: External Secrets' definitions come from its published Go module, whose hash Go's checksum
database confirms; its image's digest from the registry that publishes it; the versions of EKS
add-ons from AWS, which lists those that are compatible with a Kubernetes version.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import boto3
import httpx
import typer
import yaml

from infra.controllers.definitions import FILE as DEFINITIONS
from infra.controllers.definitions import KINDS, checksum, prepare
from infra.versions import FILE as VERSIONS
from infra.versions import ImageVersion, Versions, pinned, render

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MODULE = "github.com/external-secrets/external-secrets"
_FOLDER = "config/crds/bases"
_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_TIMEOUT_SECONDS = 120.0

app = typer.Typer(add_completion=False, help=__doc__)


class UpdateError(Exception):
    """A version that could not be fetched, or failed verification."""


@app.command()
def main(
    kubernetes: Annotated[str | None, typer.Option(help="Minor version to go to.")] = None,
    external_secrets: Annotated[str | None, typer.Option(help="Version to go to.")] = None,
    *,
    definitions: Annotated[bool, typer.Option(help="Fetch the definitions.")] = True,
    image: Annotated[bool, typer.Option(help="Look the image's digest up.")] = True,
    addons: Annotated[bool, typer.Option(help="Look the add-ons up in AWS.")] = True,
) -> None:
    """Look everything up, and write infra/versions.toml and infra/controllers/."""
    wanted = pinned()
    if kubernetes is not None:
        wanted = wanted.model_copy(update={"kubernetes": kubernetes})
    version = external_secrets or wanted.external_secrets.version
    if version != wanted.external_secrets.version and not (definitions and image):
        raise typer.BadParameter("another version needs its definitions and its image")
    with httpx.Client(timeout=_TIMEOUT_SECONDS, follow_redirects=True) as http:
        try:
            operator = wanted.external_secrets.model_copy(update={"version": version})
            if definitions:
                module, text = fetch_definitions(version)
                DEFINITIONS.write_text(text)
                update = {"module": module, "definitions": checksum(text)}
                operator = operator.model_copy(update=update)
            if image:
                digest = image_digest(http, operator.image, f"v{version}")
                operator = operator.model_copy(update={"digest": digest})
                wanted = wanted.model_copy(update=needed_images(http, wanted))
            wanted = wanted.model_copy(update={"external_secrets": operator})
            if addons:
                wanted = wanted.model_copy(update={"addons": addon_versions(wanted)})
        except (UpdateError, httpx.HTTPError) as error:
            typer.secho(f"nothing was pinned: {error}", err=True, fg="red")
            raise typer.Exit(1) from error
    VERSIONS.write_text(render(Versions.model_validate(wanted.model_dump())))
    typer.echo(VERSIONS.read_text())


def fetch_definitions(version: str) -> tuple[str, str]:
    """Return the module's hash, and its definitions in their pinned form.

    Go downloads the module and verifies it with Go's checksum database.

    Raises:
        UpdateError: Go is not installed, or refuses the module.
    """
    go = shutil.which("go")
    if go is None:
        raise UpdateError("`go` is not on the PATH; it fetches the definitions and checks them")
    done = subprocess.run(
        [go, "mod", "download", "-json", f"{MODULE}@v{version}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tempfile.gettempdir(),
    )
    answer = json.loads(done.stdout or "{}")
    if done.returncode or "Error" in answer:
        raise UpdateError(f"{MODULE} v{version}: {answer.get('Error') or done.stderr.strip()}")
    return answer["Sum"], render_definitions(Path(answer["Dir"]) / _FOLDER)


def render_definitions(folder: Path) -> str:
    """Return the definitions in a folder, in their pinned form.

    Raises:
        UpdateError: A kind in `KINDS` is missing.
    """
    published = [
        cast("dict[str, Any]", yaml.load(path.read_bytes(), yaml.CSafeLoader))
        for path in sorted(folder.glob("*external-secrets.io_*.yaml"))
    ]
    kept = [definition for each in published if (definition := prepare(each)) is not None]
    missing = KINDS - {definition["spec"]["names"]["kind"] for definition in kept}
    if missing:
        raise UpdateError(f"the module has no definition of {', '.join(sorted(missing))}")
    return yaml.dump_all(kept, Dumper=yaml.CSafeDumper, sort_keys=False, width=100)


def image_digest(http: httpx.Client, image: str, tag: str) -> str:
    """Return the digest of an image for all architectures, by its tag.

    Raises:
        UpdateError: The registry reports another digest.
    """
    registry, _, name = image.partition("/")
    token = _get(http, f"https://{registry}/token?scope=repository:{name}:pull").json()["token"]
    headers = {"Authorization": f"Bearer {token}", "Accept": ", ".join(_INDEXES)}
    answer = _get(http, f"https://{registry}/v2/{name}/manifests/{tag}", headers)
    found = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
    reported = answer.headers.get("docker-content-digest")
    if reported != found:
        raise UpdateError(
            f"{image}:{tag}: the registry reports {reported}, but the content has {found}"
        )
    return found


def needed_images(http: httpx.Client, versions: Versions) -> dict[str, ImageVersion]:
    """Return the images of servers that apps may need, with their digests.

    Raises:
        UpdateError: A registry has no such image.
    """
    return {
        name: one.model_copy(update={"digest": image_digest(http, one.image, one.tag)})
        for name, one in (("redis", versions.redis), ("mail", versions.mail))
    }


def _aws(service: str) -> Any:
    # Its stubs name every service; none of that is needed here.
    return cast("Any", boto3).client(service)


def addon_versions(versions: Versions, client: Callable[[str], Any] = _aws) -> dict[str, str]:
    """Return AWS's default version of each add-on for the pinned Kubernetes.

    Raises:
        UpdateError: AWS has none for it.
    """
    eks = client("eks")
    return {
        name: _default_version(
            name,
            versions.kubernetes,
            eks.describe_addon_versions(addonName=name, kubernetesVersion=versions.kubernetes)[
                "addons"
            ],
        )
        for name in versions.addons
    }


def _default_version(name: str, kubernetes: str, addons: Sequence[dict[str, Any]]) -> str:
    for addon in addons:
        for offered in addon["addonVersions"]:
            fits = offered.get("compatibilities", [])
            if any(f.get("clusterVersion") == kubernetes and f.get("defaultVersion") for f in fits):
                return str(offered["addonVersion"])
    raise UpdateError(f"EKS has no add-on {name} for Kubernetes {kubernetes}")


def _get(http: httpx.Client, url: str, headers: dict[str, str] | None = None) -> httpx.Response:
    answer = http.get(url, headers=headers)
    if not answer.is_success:
        raise UpdateError(f"{url} answered {answer.status_code}")
    return answer


if __name__ == "__main__":
    app()
