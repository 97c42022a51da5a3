"""Reads versions.toml, the one place with the pinned versions of the cluster's software."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

FILE = Path(__file__).with_name("versions.toml")
_HEAD = """\
# What runs on a cluster that this program creates, each version in one place. `make versions`
# updates it; `make versions ARGS="--kubernetes 1.37"` goes to another one.
"""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ExternalSecretsVersion(_Model):
    """The External Secrets Operator.

    Attributes:
        version: Version.
        image: Image, without a tag.
        digest: Digest of the image; empty until it is looked up.
        module: Hash of the Go module that its definitions are from.
        definitions: Checksum of infra/controllers/external-secrets.yaml.
    """

    version: str = Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")
    image: str
    digest: str = Field(pattern=r"^(sha256:[0-9a-f]{64})?$")
    module: str = Field(pattern=r"^h1:[0-9A-Za-z+/]{43}=$")
    definitions: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")

    @property
    def reference(self) -> str:
        """Reference of the image: by digest, or by tag while that is not known."""
        return f"{self.image}@{self.digest}" if self.digest else f"{self.image}:v{self.version}"


class ImageVersion(_Model):
    """A published image of a server that apps may need.

    Attributes:
        image: Image, without a tag.
        tag: Tag of the version.
        digest: Digest of the image; empty until it is looked up.
    """

    image: str
    tag: str = Field(pattern=r"^v?[0-9]+(\.[0-9]+)+(-[a-z]+)?$")
    digest: str = Field(pattern=r"^(sha256:[0-9a-f]{64})?$")

    @property
    def reference(self) -> str:
        """Reference of the image: by digest, or by tag while that is not known."""
        return f"{self.image}@{self.digest}" if self.digest else f"{self.image}:{self.tag}"


class Versions(_Model):
    """Every pinned version.

    Attributes:
        kubernetes: Minor version of a new cluster.
        addons: Version of each EKS add-on.
        external_secrets: The External Secrets Operator.
        redis: Redis, for apps that need it.
        mail: Mailpit, likewise.
    """

    kubernetes: str = Field(pattern=r"^1\.[0-9]{2}$")
    addons: dict[str, str]
    external_secrets: ExternalSecretsVersion
    redis: ImageVersion
    mail: ImageVersion


@cache
def pinned() -> Versions:
    """Return the versions, read once."""
    return Versions.model_validate(tomllib.loads(FILE.read_text()))


def render(versions: Versions) -> str:
    """Return the text of the file."""
    lines = [_HEAD, f'kubernetes = "{versions.kubernetes}"', "", "[addons]"]
    lines += [f'{name} = "{version}"' for name, version in sorted(versions.addons.items())]
    for section in ("external_secrets", "redis", "mail"):
        pins: _Model = getattr(versions, section)
        lines += ["", f"[{section}]"]
        lines += [f'{name} = "{value}"' for name, value in pins.model_dump().items()]
    return "\n".join(lines) + "\n"
