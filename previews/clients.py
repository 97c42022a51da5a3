"""What commands talk to, made when it is first asked for.

Each client takes up to a second to import, and no command needs all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from previews.settings import Settings

if TYPE_CHECKING:
    from previews.github import GitHub
    from previews.stacks import Stacks


@dataclass(frozen=True)
class Clients:
    """GitHub, Pulumi, AWS and the cluster, as the environment names them."""

    settings: Settings = field(default_factory=Settings.read)

    @cached_property
    def github(self) -> GitHub:
        """The repository on GitHub."""
        from previews.github import GitHub

        return GitHub(self.settings)

    @cached_property
    def stacks(self) -> Stacks:
        """The project's stacks, in whatever backend Pulumi is logged in to."""
        from previews.stacks import Stacks

        return Stacks(self.settings)
