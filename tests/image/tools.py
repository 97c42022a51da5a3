"""What building and running needs, from Debian's own packages; no registry of images."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGES = {
    "buildah": "buildah",
    "podman": "podman",
    "runc": "runc",
    "debootstrap": "debootstrap",
}
BASE = "localhost/preview-base:bookworm"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
BUILDAH = ("buildah", "--storage-driver", "vfs")
PODMAN = ("podman", "--storage-driver", "vfs", "--runtime", "runc", "--cgroup-manager", "cgroupfs")


class ImageTestError(Exception):
    """The image can't be tested, or is not as it should be."""


def run(*command: str, **options: object) -> str:
    """Run a command and return what it wrote.

    Raises:
        ImageTestError: It failed; the message ends with its last lines.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
        msg = f"{' '.join(command[:6])} ... failed with {done.returncode}:\n{last}"
        raise ImageTestError(msg)
    return str(done.stdout)


def install() -> None:
    """Install what is missing.

    Raises:
        ImageTestError: Something is missing, and only root can install it.
    """
    missing = [package for command, package in PACKAGES.items() if not shutil.which(command)]
    if not missing:
        return
    if os.geteuid() != 0:
        msg = f"missing: {', '.join(missing)}. As root: apt-get install {' '.join(missing)}"
        raise ImageTestError(msg)
    say(f"installing {', '.join(missing)}")
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "update", "--quiet", env=quiet)
    run("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *missing, env=quiet)


def base() -> str:
    """The base image: ``BASE_IMAGE``, else one made by debootstrap, once.

    Returns:
        Its name.
    """
    if given := os.environ.get("BASE_IMAGE"):
        return given
    if BASE in run(*BUILDAH, "images", "--format", "{{.Name}}:{{.Tag}}").split():
        return BASE
    say("making a base image with debootstrap (about a minute)")
    mirror = run("apt-get", "indextargets", "--format", "$(REPO_URI)").split()[0]
    root = Path("/tmp/preview-base")
    shutil.rmtree(root, ignore_errors=True)
    packages = "python3,python3-venv,ca-certificates"
    run("debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", str(root), mirror)
    if CERTIFICATES.exists():
        shutil.copy(CERTIFICATES, root / CERTIFICATES.relative_to("/"))
    (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    container = run(*BUILDAH, "from", "scratch").strip()
    run(*BUILDAH, "add", "--quiet", container, str(root), "/")
    variables = [
        f"--env={name}={CERTIFICATES}"
        for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")
    ]
    run(*BUILDAH, "config", *variables, container)
    run(*BUILDAH, "commit", "--quiet", "--rm", container, BASE)
    shutil.rmtree(root)
    return BASE


def say(line: str) -> None:
    """Tell what is being done."""
    sys.stdout.write(f"image: {line}\n")
    sys.stdout.flush()
