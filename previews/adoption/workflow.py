"""The workflow of an adopted repository: it calls the platform's, at a fixed reference."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from previews.errors import PreviewsError

WORKFLOWS = Path(".github/workflows")
_PLATFORM = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)@(?P<reference>[\w./-]+)")
_REMOTE = re.compile(r"github\.com[:/]([\w.-]+/[\w.-]+?)(\.git)?/?$")
_USES = re.compile(r"(uses:\s*)[\w.-]+/[\w.-]+(/\.github/workflows/[\w.-]+)@[\w./-]+([ \t]*#.*)?")
_TEXT = """\
# Previews of this app, by the platform's workflows. `previews adopt --upgrade` moves
# the references.
#
# Every job has a fixed reference of the platform, so nothing of a pull request runs with a job's
# permissions except its build.
name: Preview
on:
  pull_request:
    types: [opened, reopened, labeled, synchronize, ready_for_review]
  # Runs when the pull request conflicts, too; reads a number of it, and nothing else.
  pull_request_target: # zizmor: ignore[dangerous-triggers] nothing of it is checked out
    types: [closed, unlabeled]
  issue_comment: # zizmor: ignore[dangerous-triggers] the platform checks the author's permission
    types: [created]
  push:
    branches: [{branch}]
  workflow_dispatch:
    inputs:
      pull-request:
        description: Number of the pull request
        required: true
        type: number
      action:
        description: What to do with its preview
        required: true
        type: choice
        options: [up, reset-database, destroy]
        default: up
permissions: {{}}
jobs:
  preview:
    name: Preview
    if: >-
      github.event_name == 'pull_request'
      || (github.event_name == 'workflow_dispatch' && inputs.action != 'destroy')
    permissions:
      actions: write # Starts this workflow from the default branch.
      attestations: write # Attests who built the image.
      contents: read # Checks out.
      deployments: write # Shows the preview in the pull request.
      id-token: write # Assumes the role.
      pull-requests: write # Comments.
      statuses: write # Shows the preview among the checks.
    uses: {platform}/.github/workflows/preview.yml@{reference}
    with:
      app: {folder}
      pull-request: ${{{{ inputs.pull-request || github.event.pull_request.number }}}}
      reset-database: ${{{{ inputs.action == 'reset-database' }}}}
    secrets:
      PULUMI_ACCESS_TOKEN: ${{{{ secrets.PULUMI_ACCESS_TOKEN }}}}

  destroy:
    name: Destroy
    if: >-
      github.event_name == 'pull_request_target'
      || (github.event_name == 'workflow_dispatch' && inputs.action == 'destroy')
    permissions:
      actions: read # Reads whether the run that made a lock is over.
      contents: read # Checks out the default branch.
      deployments: write # Ends the preview's deployments.
      id-token: write # Assumes the role.
      pull-requests: write # Comments.
      statuses: write # Ends the preview's status.
    uses: {platform}/.github/workflows/preview-destroy.yml@{reference}
    with:
      app: {folder}
      pull-request: ${{{{ inputs.pull-request || github.event.pull_request.number }}}}
    secrets:
      PULUMI_ACCESS_TOKEN: ${{{{ secrets.PULUMI_ACCESS_TOKEN }}}}

  command:
    name: Command
    if: >-
      github.event_name == 'issue_comment' && github.event.issue.pull_request
      && startsWith(github.event.comment.body, '/preview')
    permissions:
      actions: write # Starts this workflow.
      contents: read # Checks out the default branch.
      pull-requests: write # Sets labels, adds reactions.
    uses: {platform}/.github/workflows/preview-command.yml@{reference}
    with:
      app: {folder}

  staging:
    name: Staging
    if: github.event_name == 'push'
    permissions:
      attestations: write # Attests who built the image.
      contents: read # Checks out.
      id-token: write # Assumes the role.
      statuses: write # Says whether staging has the commit.
    uses: {platform}/.github/workflows/staging.yml@{reference}
    with:
      app: {folder}
    secrets:
      PULUMI_ACCESS_TOKEN: ${{{{ secrets.PULUMI_ACCESS_TOKEN }}}}
"""


@dataclass(frozen=True)
class Platform:
    """The platform's repository, at a reference."""

    repository: str
    reference: str


def parse_platform(text: str) -> Platform:
    """Read ``OWNER/REPO@REF``.

    Raises:
        PreviewsError: It has another form.
    """
    match = _PLATFORM.fullmatch(text.strip())
    if match is None:
        raise PreviewsError(
            "adopt-platform",
            f"platform {text!r}",
            why="expected OWNER/REPO@REF, REF a commit, a tag or a branch",
            remedy="name the platform's repository: --platform acme/previews@<commit>",
        )
    return Platform(match["repository"], match["reference"])


def own_platform(checkout: Path) -> Platform | None:
    """Return where this program comes from, if its checkout has a remote on GitHub."""
    remote, commit = (
        _git(checkout, "remote", "get-url", "origin"),
        _git(checkout, "rev-parse", "HEAD"),
    )
    match = _REMOTE.search(remote)
    return Platform(match[1], commit) if match and commit else None


def workflow(platform: Platform, folder: Path, branch: str) -> str:
    """Return the workflow of an app.

    Args:
        platform: The platform's repository.
        folder: The app's folder, relative to its repository.
        branch: Its default branch.
    """
    return _TEXT.format(
        platform=platform.repository,
        reference=platform.reference,
        folder=folder.as_posix(),
        branch=branch,
    )


def upgraded(text: str, platform: Platform) -> str:
    """Return a workflow with each reference to the platform's workflows moved."""
    return _USES.sub(
        lambda match: f"{match[1]}{platform.repository}{match[2]}@{platform.reference}", text
    )


def workflow_path(root: Path, folder: Path, name: str) -> Path:
    """Return the path of an app's workflow; that of a second app of a repository has its name."""
    path = root / WORKFLOWS / "preview.yml"
    if not path.is_file() or f"app: {folder.as_posix()}\n" in _text(path):
        return path
    return path if folder == Path() else path.with_name(f"preview-{name}.yml")


def default_branch(root: Path) -> str:
    """Return the default branch as the clone knows it; else the one that is checked out."""
    head = _git(root, "symbolic-ref", "--short", "refs/remotes/origin/HEAD").removeprefix("origin/")
    branch = head or _git(root, "symbolic-ref", "--short", "HEAD")
    return branch if re.fullmatch(r"[\w./-]+", branch) else "main"


def _text(path: Path) -> str:
    return path.read_text(errors="replace").replace("\r\n", "\n")


def _git(folder: Path, *arguments: str) -> str:
    run = subprocess.run(
        ["git", "-C", str(folder), *arguments], check=False, capture_output=True, text=True
    )
    return run.stdout.strip() if run.returncode == 0 else ""
