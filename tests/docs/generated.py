"""What the documentation takes from the code: the picture, the costs, the messages. ``make docs``.

``python -m tests.docs.generated`` says whether the documents still hold; with ``--write`` it
makes them hold.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import yaml

from database.scrub.fakes import FAKE_KINDS
from infra.stacks.program import main as program
from tests.docs import runbook
from tests.docs.diagram import mermaid
from tests.docs.estimate import tables
from tests.infra.world import COMMIT, PROJECT, Cloud, Deployment, deploy

ROOT = Path(__file__).resolve().parents[2]
DIAGRAM = ROOT / "docs" / "diagrams" / "architecture.md"
RUNBOOK = ROOT / "docs" / "runbook.md"
GUIDE = ROOT / "docs" / "getting-started-aws.md"
SCRUB = ROOT / "docs" / "scrub.md"
_SOURCE = {"commit": COMMIT, "repository": "acme/orders"}
_HEAD = """\
# The architecture

Drawn by `make docs` from what the program declares: a box is a component of
`infra/components/` with its resources, and an arrow leads from
what comes first to what waits for it.

"""


def configuration(stack: str) -> dict[str, object]:
    """A stack's configuration as the repository has it, and where it is made from."""
    schema = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    tree: dict[str, object] = dict(_SOURCE)
    for key, declared in schema.items():
        _put(tree, key, declared["default"])
    own = ROOT / f"Pulumi.{stack}.yaml"
    if own.exists():
        # A preview that was brought up here has one that holds its salt alone.
        for key, value in yaml.safe_load(own.read_text()).get("config", {}).items():
            name = key.removeprefix(f"{PROJECT}:")
            merged = tree.get(name)
            both = isinstance(merged, dict) and isinstance(value, dict)
            tree[name] = {**merged, **value} if both else value  # type: ignore[dict-item]
    return tree


def stacks() -> tuple[Deployment, Deployment]:
    """Staging as ``Pulumi.staging.yaml`` has it, and a preview on it."""
    staging = deploy("staging", program, config=configuration("staging"))
    cloud = Cloud(staging=staging.outputs)
    return staging, deploy("pr-42", program, config=configuration("pr-42"), cloud=cloud)


def documents() -> dict[Path, str]:
    """Each document with what it takes from the program, as it should be."""
    staging, preview = stacks()
    picture = mermaid({"staging": staging, "pr-42": preview})
    guide = GUIDE.read_text()
    for name, table in zip(("platform", "preview"), tables(staging, preview), strict=True):
        guide = _between(guide, f"{name} costs", table)
    messages = RUNBOOK.read_text()
    for name, table in runbook.tables().items():
        messages = _between(messages, name, table)
    scrub = _between(SCRUB.read_text(), "kinds of fakes", _kinds_of_fakes())
    return {
        DIAGRAM: f"{_HEAD}```mermaid\n{picture}```\n",
        GUIDE: guide,
        RUNBOOK: messages,
        SCRUB: scrub,
    }


def main(arguments: list[str]) -> int:
    """Write or compare.

    Returns:
        The exit code: 0 when all hold, 1 when one did not.
    """
    stale = {
        path: text
        for path, text in documents().items()
        if not path.exists() or path.read_text() != text
    }
    if "--write" in arguments:
        for path, text in stale.items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return 0
    for path in stale:
        sys.stderr.write(f"{path.relative_to(ROOT)} is not what the program says; run: make docs\n")
    return 1 if stale else 0


def _kinds_of_fakes() -> str:
    rows = [
        f"| `{name}` | {kind.description} | {'yes' if kind.distinct else ''} |"
        f" {', '.join(sorted(kind.types))} |"
        for name, kind in FAKE_KINDS.items()
    ]
    return "\n".join(["| kind | fake | unique | columns |", "|---|---|---|---|", *rows])


def _put(tree: dict[str, object], key: str, value: object) -> None:
    *parents, leaf = key.split(".")
    place = tree
    for parent in parents:
        place = place.setdefault(parent, {})  # type: ignore[assignment]
    place[leaf] = value


def _between(text: str, name: str, content: str) -> str:
    """The text with other content between the two marks of a name."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    pattern = re.compile(rf"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        msg = f"expected {begin} and {end} in what `make docs` writes between them"
        raise ValueError(msg)
    return pattern.sub(lambda _: f"{begin}\n\n{content}\n\n{end}", text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
