"""GitHub's API on loopback, with a state of its own, for whatever talks to GitHub.

`LocalGitHub` answers as GitHub's published schema says (through githubkit's generated models),
remembers what it is told, and fails in the ways in which GitHub fails.
"""

from tests.github.faults import Fault
from tests.github.server import LocalGitHub
from tests.github.state import REPOSITORY, TOKEN, PullRequest

__all__ = ["REPOSITORY", "TOKEN", "Fault", "LocalGitHub", "PullRequest"]
