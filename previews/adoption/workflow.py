"""The workflow of an adopted repository: it calls the platform's, at a fixed reference."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from previews.adoption.source import read_text
from previews.adoption.surroundings import scalar
from previews.errors import UsageError

WORKFLOWS = Path(".github/workflows")
_PLATFORM = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)@(?P<reference>\w[\w./-]*)")
_REMOTE = re.compile(r"github\.com[:/]([\w.-]+/[\w.-]+?)(\.git)?/?$")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_USES = re.compile(
    r"(?P<repository>[\w.-]+/[\w.-]+)(?P<file>/\.github/workflows/(?P<name>[\w.-]+))"
    r"@(?P<reference>\w[\w./-]*)"
)
_VERSION = re.compile(r"[ \t]*# v[^\r\n]*")
CALLABLE = frozenset(
    {
        "preview.yml",
        "preview-command.yml",
        "preview-destroy.yml",
        "preview-refresh.yml",
        "preview-sweep.yml",
        "staging.yml",
    }
)
"""Files of the platform's workflows that an app calls."""

_INPUTS = frozenset({"app", "environment"})
_TEXT = """\
# Previews of {name}, by the platform's workflows. `previews adopt --upgrade` moves the
# references: a protected branch or tag, which AWS's roles name. They trust no commit, since a
# fork's would pass for one of the platform's.
name: Previews of {name}
on:
  # This file and the platform's are the default branch's: a pull request's code is built and
  # tested in jobs of the platform that have no rights.
  pull_request_target: # zizmor: ignore[dangerous-triggers] its code runs in jobs without rights
    types: [opened, reopened, labeled, synchronize, ready_for_review, closed, unlabeled]
  issue_comment: # zizmor: ignore[dangerous-triggers] the platform checks the author's permission
    types: [created]
  push:
    branches: [{branch}]
  schedule:
    - cron: "{sweep}"
    - cron: "{refresh}"
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
      github.event_name == 'pull_request_target'
      && github.event.action != 'closed' && github.event.action != 'unlabeled'
      || github.event_name == 'workflow_dispatch' && inputs.action != 'destroy'
    permissions:
      actions: read # Reads whether the run that made a lock is over.
      attestations: write # Attests which commit the images are built from.
      contents: read # Checks out.
      deployments: write # Shows the preview in the pull request.
      id-token: write # Assumes the role.
      pull-requests: write # Comments.
      statuses: write # Shows the preview among the checks.
    uses: {platform}/.github/workflows/preview.yml@{reference} {pin}
    with:
      app: {folder}
      environment: {name}-preview
      # GitHub has the number of a manual run as a text (actions/runner#2848).
      pull-request: ${{{{ fromJSON(inputs.pull-request || github.event.pull_request.number) }}}}
      reset-database: ${{{{ inputs.action == 'reset-database' }}}}
    secrets:
      PLATFORM_TOKEN: ${{{{ secrets.PLATFORM_TOKEN }}}}
      PULUMI_ACCESS_TOKEN: ${{{{ secrets.PULUMI_ACCESS_TOKEN }}}}

  destroy:
    name: Destroy
    if: >-
      github.event_name == 'pull_request_target'
      && (github.event.action == 'closed' || github.event.action == 'unlabeled')
      || github.event_name == 'workflow_dispatch' && inputs.action == 'destroy'
    permissions:
      actions: read # Reads whether the run that made a lock is over.
      contents: read # Checks out the default branch.
      deployments: write # Ends the preview's deployments.
      id-token: write # Assumes the role.
      pull-requests: write # Comments.
      statuses: write # Ends the preview's status.
    uses: {platform}/.github/workflows/preview-destroy.yml@{reference} {pin}
    with:
      app: {folder}
      environment: {name}-preview
      pull-request: ${{{{ fromJSON(inputs.pull-request || github.event.pull_request.number) }}}}
    secrets:
      PLATFORM_TOKEN: ${{{{ secrets.PLATFORM_TOKEN }}}}
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
    uses: {platform}/.github/workflows/preview-command.yml@{reference} {pin}
    with:
      app: {folder}
      environment: {name}-preview
    secrets:
      PLATFORM_TOKEN: ${{{{ secrets.PLATFORM_TOKEN }}}}

  sweep:
    name: Sweep
    if: github.event_name == 'schedule' && github.event.schedule == '{sweep}'
    permissions:
      actions: read # Reads whether the run that made a lock is over.
      contents: read # Checks out the default branch.
      deployments: write # Ends the previews' deployments.
      id-token: write # Assumes the role.
      pull-requests: write # Comments.
      statuses: write # Ends the previews' statuses.
    uses: {platform}/.github/workflows/preview-sweep.yml@{reference} {pin}
    with:
      app: {folder}
      environment: {name}-preview
    secrets:
      PLATFORM_TOKEN: ${{{{ secrets.PLATFORM_TOKEN }}}}
      PULUMI_ACCESS_TOKEN: ${{{{ secrets.PULUMI_ACCESS_TOKEN }}}}

  staging:
    name: Staging
    if: github.event_name == 'push'
    permissions:
      actions: read # Reads whether the run that made a lock is over.
      attestations: write # Attests which commit the image is built from.
      contents: read # Checks out.
      id-token: write # Assumes the role.
      statuses: write # Says whether staging has the commit.
    uses: {platform}/.github/workflows/staging.yml@{reference} {pin}
    with:
      app: {folder}
      environment: {name}-staging
    secrets:
      PLATFORM_TOKEN: ${{{{ secrets.PLATFORM_TOKEN }}}}
      PULUMI_ACCESS_TOKEN: ${{{{ secrets.PULUMI_ACCESS_TOKEN }}}}

  refresh:
    name: Refresh
    if: github.event_name == 'schedule' && github.event.schedule == '{refresh}'
    permissions:
      actions: read # Reads whether the run that made a lock is over.
      contents: read # Checks out the default branch.
      id-token: write # Assumes the role.
    uses: {platform}/.github/workflows/preview-refresh.yml@{reference} {pin}
    with:
      app: {folder}
      environment: {name}-staging
    secrets:
      PLATFORM_TOKEN: ${{{{ secrets.PLATFORM_TOKEN }}}}
      PULUMI_ACCESS_TOKEN: ${{{{ secrets.PULUMI_ACCESS_TOKEN }}}}
"""
_PIN = "# zizmor: ignore[unpinned-uses] AWS trusts a protected reference, and no commit"
_NAME_IT = "name the platform's repository, with its branch or a tag: --platform acme/previews@main"
_HOURLY, _WEEKLY = "17 * * * *", "43 4 * * 1"


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
    if match is None or match["reference"].startswith("refs/"):
        raise UsageError(
            "adopt-platform",
            f"platform {text!r}",
            why="expected OWNER/REPO@REF, REF the short name of a protected branch or tag",
            remedy=_NAME_IT,
        )
    if _COMMIT.fullmatch(match["reference"]):
        raise UsageError(
            "adopt-platform-commit",
            f"platform {text!r}",
            why="AWS's roles trust a protected branch or tag of the platform, and no commit: one of"
            " a fork would pass for the platform's own",
            remedy=_NAME_IT,
        )
    return Platform(match["repository"], match["reference"])


def own_platform(checkout: Path) -> Platform | None:
    """Return where this program comes from, if its checkout has a remote on GitHub.

    The reference is the tag of its commit, otherwise the default branch.
    """
    match = _REMOTE.search(run_git(checkout, "remote", "get-url", "origin"))
    tag = run_git(checkout, "describe", "--tags", "--exact-match")
    return Platform(match[1], tag or default_branch(checkout)) if match else None


def workflow(platform: Platform, folder: Path, branch: str, name: str) -> str:
    """Return the workflow of an app.

    Args:
        platform: The platform's repository.
        folder: The app's folder, relative to its repository.
        branch: Its default branch.
        name: The app's name, which its environments on GitHub carry.
    """
    return _TEXT.format(
        platform=platform.repository,
        reference=platform.reference,
        folder=_in_yaml(folder),
        branch=branch,
        name=name,
        pin=_PIN,
        sweep=_HOURLY,
        refresh=_WEEKLY,
    )


def upgraded(text: str, platform: Platform) -> str:
    """Return a workflow with each reference to the platform's workflows moved.

    One that `previews adopt` wrote for an earlier platform, which `pull_request` starts, is
    replaced: the platform's workflow runs from the default branch now.

    Raises:
        ValueError: It is no YAML.
    """
    own = _former(text)
    if own is not None:
        return workflow(platform, *own)
    for match, begin, end in reversed(list(_calls(text))):
        moved = f"{platform.repository}{match['file']}@{platform.reference}"
        quote = text[begin] if text[begin] in "\"'" else ""
        version = _VERSION.match(text, end)
        text = f"{text[:begin]}{quote}{moved}{quote}{text[version.end() if version else end :]}"
    return text


def called(text: str) -> set[Platform]:
    """Return the platforms whose workflows a workflow calls.

    Raises:
        ValueError: It is no YAML.
    """
    return {Platform(one["repository"], one["reference"]) for one, _, _ in _calls(text)}


def _calls(text: str) -> Iterator[tuple[re.Match[str], int, int]]:
    """Yield each call of a workflow of the platform, and where its reference stands in the text.

    Other people have workflows that are called, too: the platform's have their names and inputs.

    Raises:
        ValueError: It is no YAML.
    """
    for job in _entries(_document(text).get("jobs")).values():
        entries = _entries(job)
        uses = entries.get("uses")
        match = _USES.fullmatch(uses.value) if isinstance(uses, yaml.ScalarNode) else None
        if uses is None or match is None or match["name"] not in CALLABLE:
            continue
        if _entries(entries.get("with")).keys() >= _INPUTS:
            yield match, uses.start_mark.index, uses.end_mark.index


def _former(text: str) -> tuple[Path, str, str] | None:
    """Return folder, branch and name of the app in a workflow that `pull_request` starts.

    None of any other workflow, and of one that is not as `previews adopt` wrote it.

    Raises:
        ValueError: It is no YAML.
    """
    document = _document(text)
    events = _entries(document.get("on"))
    given = _entries(_entries(_entries(document.get("jobs")).get("preview")).get("with"))
    branches = _entries(events.get("push")).get("branches")
    folder, environment = (given.get(key) for key in ("app", "environment"))
    if (
        "pull_request" not in events
        or not isinstance(folder, yaml.ScalarNode)
        or not isinstance(environment, yaml.ScalarNode)
        or not environment.value.endswith("-preview")
        or not isinstance(branches, yaml.SequenceNode)
        or not any(one["name"] == "preview.yml" for one, _, _ in _calls(text))
    ):
        return None
    branch = str(branches.value[0].value)
    return Path(folder.value), branch, environment.value.removesuffix("-preview")


def _document(text: str) -> dict[str, yaml.Node]:
    """Return the entries of a document.

    Raises:
        ValueError: It is no YAML.
    """
    try:
        return _entries(yaml.compose(text, Loader=yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error


def _entries(node: yaml.Node | None) -> dict[str, yaml.Node]:
    """Return the entries of a mapping; none of anything else."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return {key.value: value for key, value in pairs if isinstance(key, yaml.ScalarNode)}


def workflow_path(root: Path, folder: Path, name: str) -> Path:
    """Return the path of an app's workflow; that of a second app of a repository has its name.

    The platform's own files are left alone where it shares the repository with its apps.
    """
    own = f"app: {_in_yaml(folder)}\n"
    named = (f"preview-{name}", f"previews-of-{name}")
    candidates = [root / WORKFLOWS / f"{stem}.yml" for stem in ("preview", *named)]
    there = next((one for one in candidates if one.is_file() and own in _text(root, one)), None)
    return there or next((one for one in candidates if not one.exists()), candidates[-1])


def namesake(root: Path, folder: Path, name: str) -> Path | None:
    """Return the workflow of another app of the repository that has the same name, if any."""
    lines = (f"app: {_in_yaml(folder)}\n", f"environment: {name}-preview\n")
    for path in sorted((root / WORKFLOWS).glob("preview*.yml")):
        text = _text(root, path)
        if lines[1] in text and lines[0] not in text:
            return path
    return None


def default_branch(root: Path) -> str:
    """Return the default branch as the clone knows it; else the one that is checked out."""
    head = run_git(root, "symbolic-ref", "--short", "refs/remotes/origin/HEAD").removeprefix(
        "origin/"
    )
    branch = head or run_git(root, "symbolic-ref", "--short", "HEAD")
    return branch if re.fullmatch(r"[\w./-]+", branch) else "main"


def _in_yaml(folder: Path) -> str:
    return "." if folder == Path() else scalar(folder.as_posix())


def _text(root: Path, path: Path) -> str:
    return read_text(root, path) or ""


def run_git(folder: Path, *arguments: str) -> str:
    """Return the output of git in a folder; empty if it fails."""
    run = subprocess.run(
        ["git", "-C", str(folder), *arguments], check=False, capture_output=True, text=True
    )
    return run.stdout.strip() if run.returncode == 0 else ""
