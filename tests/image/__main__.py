"""``python -m tests.image``: build both images, run them as a cluster would, and look at them.

Read-only, non-root, without capabilities, against a real PostgreSQL: the image of the data room
prepares a database; the service's migrates it, becomes ready, serves, drains on SIGTERM and exits
with 0; then the former scrubs the database as a copy. ``BASE_IMAGE`` names another base.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from tests.addresses import free_port
from tests.image.tools import BUILDAH, PODMAN, ImageTestError, base, install, run, say
from tests.service.postgres import Server

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Image:
    """One of the two images.

    Attributes:
        name: Its name in the local store.
        dockerfile: Path of its Dockerfile.
        command: Its command.
        room: The package in it.
        megabytes: The most that it may add to its base.
    """

    name: str
    dockerfile: str
    command: tuple[str, ...]
    room: str
    megabytes: int


SERVICE = Image(
    "localhost/preview-service:test", "Dockerfile", ("python", "-m", "service"), "service", 130
)
DATABASE = Image(
    "localhost/preview-database:test", "database/Dockerfile",
    ("python", "-m", "database.prepare"), "database", 90,
)  # fmt: skip
RESTRICTED = (
    "--network=host", "--read-only", "--tmpfs=/tmp", "--cap-drop=all",
    "--security-opt=no-new-privileges", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024",
)  # fmt: skip
PASSWORD = "only-for-tests"


def expect(what: str, *, holds: bool) -> None:
    """Say what was looked at.

    Raises:
        ImageTestError: It does not hold.
    """
    if not holds:
        raise ImageTestError(what)
    say(f"ok: {what}")


def build(image: Image, parent: str) -> None:
    """Build a Dockerfile on ``parent``."""
    commit = run("git", "-c", f"safe.directory={PROJECT}", "rev-parse", "HEAD", cwd=PROJECT).strip()
    run(
        *BUILDAH, "build", "--isolation=chroot", "--network=host", "--pull-never",
        f"--build-arg=PYTHON_IMAGE={parent}", f"--build-arg=COMMIT={commit}",
        f"--file={PROJECT / image.dockerfile}", f"--tag={image.name}", str(PROJECT),
    )  # fmt: skip


def look(image: Image, parent: str) -> None:
    """What an image is, without running it."""
    found = json.loads(run(*PODMAN, "image", "inspect", image.name))[0]
    config = found["Config"]
    expect("it runs as 10001:10001", holds=config["User"] == "10001:10001")
    expect("its command is in exec form", holds=config["Cmd"] == list(image.command))
    expect("it has OCI labels", holds="org.opencontainers.image.revision" in config["Labels"])
    below = json.loads(run(*PODMAN, "image", "inspect", parent))[0]["Size"]
    ours = (found["Size"] - below) / 1e6
    expect(f"ours is {ours:.0f} MB, at most {image.megabytes}", holds=ours <= image.megabytes)


def inside(
    image: Image, *command: str, environment: dict[str, str] | None = None, mount: str | None = None
) -> str:
    """Run a command in a container of an image."""
    variables = [f"--env={name}={value}" for name, value in (environment or {}).items()]
    mounts = [] if mount is None else [f"--volume={mount}:ro"]
    return run(*PODMAN, "run", "--rm", *RESTRICTED, *variables, *mounts, image.name, *command)


def look_inside(image: Image) -> None:
    """What is in an image."""
    script = (
        "import importlib.util as u, json, os, pathlib, sys;"
        "v = pathlib.Path('/app/.venv'); room = sys.argv[1];"
        "print(json.dumps({'uid': os.getuid(), 'prefix': sys.prefix,"
        " 'pip': u.find_spec('pip') is not None, 'uv': u.find_spec('uv') is not None,"
        " 'tools': [n for n in ('pip', 'pip3', 'uv', 'uvx') if (v / 'bin' / n).exists()],"
        " 'rooms': [n for n in ('contract', 'database', 'service') if u.find_spec(n)],"
        " 'writable': os.access(f'/app/{room}', os.W_OK),"
        " 'compiled': bool(list(pathlib.Path(f'/app/{room}').rglob('*.pyc')))}))"
    )
    found = json.loads(inside(image, "python", "-c", script, image.room))
    expect("it is not root", holds=found["uid"] == 10001)
    expect("the environment is the image's", holds=found["prefix"] == "/app/.venv")
    no_tools = not (found["pip"] or found["uv"] or found["tools"])
    expect("no package manager is in it", holds=no_tools)
    alone = ["service"] if image is SERVICE else ["contract", "database"]
    expect(f"it holds {' and '.join(alone)} alone", holds=found["rooms"] == alone)
    expect("it can't write its own code", holds=not found["writable"])
    expect("its bytecode is compiled", holds=found["compiled"])


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A container that serves; yields podman's process and the address."""
    port = free_port()
    variables = environment | {"HOST": "127.0.0.1", "PORT": str(port)}
    process = subprocess.Popen(
        [
            *PODMAN, "run", "--rm", "--name=preview-image-test", *RESTRICTED,
            *(f"--env={name}={value}" for name, value in variables.items()), SERVICE.name,
        ],
        text=True,
    )  # fmt: skip
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        if process.poll() is None:
            subprocess.run([*PODMAN, "kill", "preview-image-test"], check=False)
        process.wait(30)


@retry(
    retry=retry_if_exception_type(httpx.HTTPError),
    stop=stop_after_delay(60),
    wait=wait_fixed(0.1),
    reraise=True,
)
def wait_until_ready(url: str) -> None:
    """Return once the service is ready."""
    httpx.get(f"{url}/health/ready").raise_for_status()


def serve(server: Server) -> None:
    """Prepare, migrate, serve and stop, each as the image's own command."""
    server.execute(f"CREATE ROLE boss LOGIN CREATEROLE CREATEDB PASSWORD '{PASSWORD}'")
    server.execute("CREATE DATABASE shop OWNER boss")
    address = {
        "DATABASE_HOST": server.address,
        "DATABASE_NAME": "shop",
        "DATABASE_SSLMODE": "disable",
    }
    roles = {"master": "boss", "migrator": "migrator", "app": "app"}
    logins = {f"DATABASE_{role.upper()}_USER": name for role, name in roles.items()}
    logins |= {f"DATABASE_{role.upper()}_PASSWORD": PASSWORD for role in roles}
    original = address | logins | {"PREPARE_CONTENT": "original"}
    told = inside(DATABASE, *DATABASE.command, environment=original)
    expect("it prepares", holds="prepare: done" in told)
    migrator = {"DATABASE_USER": "migrator", "DATABASE_PASSWORD": PASSWORD}
    told = inside(SERVICE, "python", "-m", "service.migrate", environment=address | migrator)
    expect("it migrates", holds="migrate: done" in told)
    app = address | {"DATABASE_USER": "app", "DATABASE_PASSWORD": PASSWORD}
    with serving(app) as (process, url):
        wait_until_ready(url)
        say("ok: it is ready")
        created = httpx.post(f"{url}/customers", json={"name": "A", "email": "a@example.com"})
        expect("it serves", holds=created.status_code == 201)
        run(*PODMAN, "kill", "--signal=TERM", "preview-image-test")
        expect("it drains and exits with 0", holds=process.wait(30) == 0)
    rules = "/etc/previews/scrub.yaml"
    copy = original | {"PREPARE_CONTENT": "copy", "SCRUB_RULES": rules}
    told = inside(
        DATABASE, *DATABASE.command, environment=copy, mount=f"{PROJECT / 'scrub.yaml'}:{rules}"
    )
    expect("it scrubs a copy", holds="scrub: proven" in told)


def main() -> int:
    """Test both images.

    Returns:
        Exit code: 0 when all of it holds.
    """
    try:
        install()
        parent = base()
        say(f"building on {parent}")
        for image in (SERVICE, DATABASE):
            build(image, parent)
            look(image, parent)
            look_inside(image)
        server = Server.create()
        try:
            serve(server)
        finally:
            server.remove()
    except ImageTestError as error:
        sys.stderr.write(f"image: {error}\n")
        return 1
    say("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
