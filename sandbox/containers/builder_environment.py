"""Settings of this machine by which a RUN reaches package registries; images do not keep them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sandbox.containers.runtime import Mount

_PROXIES: Final = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
_PASSED: Final = (
    *_PROXIES,
    *(name.upper() for name in _PROXIES),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO", "NPM_CONFIG_REGISTRY", "GOPROXY", "GOSUMDB"),
    *("PIP_CERT", "PIP_CONFIG_FILE", "PIP_DEFAULT_TIMEOUT", "PIP_EXTRA_INDEX_URL"),
    *("PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_NO_INDEX", "PIP_RETRIES", "PIP_TRUSTED_HOST"),
    *("UV_CONFIG_FILE", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INDEX"),
    *("UV_HTTP_TIMEOUT", "UV_INDEX_URL", "UV_INSECURE_HOST", "UV_NATIVE_TLS", "UV_NO_INDEX"),
)
# Configuration files that no variable refers to.
_SETTINGS: Final = {
    "PIP_CONFIG_FILE": ("~/.config/pip/pip.conf", "~/.pip/pip.conf"),
    "UV_CONFIG_FILE": ("~/.config/uv/uv.toml",),
}
_VISIBLE: Final = ("/etc/", "/usr/", "/dev/")


def machine_environment(environ: Mapping[str, str]) -> tuple[dict[str, str], tuple[Mount, ...]]:
    """Return variables for a RUN, and mounts of the files that they refer to.

    Args:
        environ: The builder's own environment.
    """
    variables = {name: environ[name] for name in _PASSED if environ.get(name)}
    for name, candidates in _SETTINGS.items():
        found = [path for text in candidates if (path := Path(text).expanduser()).is_file()]
        if found and name not in variables:
            variables[name] = str(found[0])
    mounts = []
    for name, value in variables.items():
        path = Path(value)
        if not path.is_absolute() or not path.exists() or _is_visible(path):
            continue
        # At a path of its own: the original may be below a folder that is not accessible.
        target = f"/run/builder/{name.lower()}/{path.name}"
        mounts.append(Mount(path.resolve(), target))
        variables[name] = target
    return variables, tuple(mounts)


def _is_visible(path: Path) -> bool:
    return os.path.realpath(path).startswith(_VISIBLE) and str(path).startswith(_VISIBLE)
