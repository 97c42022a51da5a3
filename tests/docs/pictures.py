"""The README's pictures, from a sandbox: ``python -m tests.docs.pictures --chromium PATH``.

A preview is deployed twice: by ``previews up`` with a local GitHub, whose comment is rendered, and
by ``sandbox preview``, whose output is drawn. Takes two minutes, and leaves the preview running.

The npm package ``@sparticuz/chromium`` contains a Chromium. Where the machine has no font with
emoji, ``--style`` names a stylesheet that brings one, such as the ``index.css`` of the npm package
``@fontsource/noto-emoji``.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import html
import itertools
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import aiohttp
from markdown_it import MarkdownIt
from rich.console import Console
from rich.text import Text

from sandbox.settings import Settings
from tests.e2e.lifecycle import Lifecycle
from tests.e2e.world import REPOSITORY, World, git
from tests.github import LocalGitHub

FOLDER = REPOSITORY / "docs" / "pictures"
NUMBER = 42
WIDTH = 860
_COLUMNS = 80
_RUN = 7
_FONTS_AND_HEIGHT = (
    "Promise.all([...document.fonts].map(font => font.load()))"
    ".then(() => document.documentElement.offsetHeight)"
)
_PAGE = """<!doctype html><html><meta charset="utf-8">{style}<style>
body {{ font: 15px/1.55 "Open Sans", "DejaVu Sans", "Noto Emoji", sans-serif; color: #1f2328;
  margin: 0; padding: 16px; background: white; width: {width}px; box-sizing: border-box }}
.frame {{ border: 1px solid #d1d9e0; border-radius: 6px; overflow: hidden }}
.head {{ background: #f6f8fa; border-bottom: 1px solid #d1d9e0; padding: 8px 16px; color: #59636e }}
.body {{ padding: 4px 16px 12px }}
.address {{ background: white; border: 1px solid #d1d9e0; border-radius: 12px; padding: 2px 14px }}
a {{ color: #0969da; text-decoration: none }}
h3 {{ margin: 14px 0 10px; font-size: 19px }}
table {{ border-collapse: collapse; margin: 10px 0 }}
td, th {{ border: 1px solid #d1d9e0; padding: 5px 12px; text-align: left }}
thead {{ display: none }}
code, pre {{ font: 13px/1.5 "DejaVu Sans Mono", monospace }}
code {{ background: #eff1f3; border-radius: 4px; padding: 2px 5px }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; margin: 8px 0 }}
</style><div class="frame">{content}</div></html>"""


def comment(body: str) -> str:
    """Render a comment's Markdown as GitHub shows it."""
    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    text = markdown.render(re.sub(r"<!--.*?-->", "", body))
    return f'<div class="head"><b>github-actions</b> commented</div><div class="body">{text}</div>'


def page(address: str, response: object) -> str:
    """Render a response of the preview's API as a browser shows it."""
    text = html.escape(json.dumps(response, indent=2, ensure_ascii=False))
    return (
        f'<div class="head"><div class="address">{html.escape(address)}</div></div>'
        f'<div class="body"><pre>{text}</pre></div>'
    )


def photograph(content: str, target: Path, chromium: str, style: str) -> None:
    """Write a PNG of the content, as high as it is."""
    link = f'<link rel="stylesheet" href="{Path(style).resolve().as_uri()}">' if style else ""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        file.write_text(_PAGE.format(content=content, style=link, width=WIDTH))
        flags = [
            *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--use-gl=angle", "--use-angle=swiftshader", "--allow-file-access-from-files"),
            *("--remote-debugging-port=0", f"--user-data-dir={folder}/profile", "about:blank"),
        ]
        with subprocess.Popen([chromium, *flags], stderr=subprocess.PIPE, text=True) as browser:
            try:
                assert browser.stderr is not None
                (port,) = next(
                    filter(None, (re.findall(r"ws://[\d.]+:(\d+)/", x) for x in browser.stderr))
                )
                png = asyncio.run(asyncio.wait_for(_capture(port, file.as_uri()), 60))
            finally:
                browser.terminate()
        target.write_bytes(png)


async def _capture(port: str, address: str) -> bytes:
    """Open the page and capture it, by the protocol of Chromium's developer tools."""
    numbers = itertools.count(1)
    async with aiohttp.ClientSession() as session:
        async with session.put(f"http://127.0.0.1:{port}/json/new?about:blank") as created:
            tab = await created.json()
        async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:

            async def call(method: str, **parameters: Any) -> Any:
                number = next(numbers)
                await socket.send_json({"id": number, "method": method, "params": parameters})
                while (answer := await socket.receive_json()).get("id") != number:
                    pass
                return answer["result"]

            size = {"width": WIDTH, "deviceScaleFactor": 1.5, "mobile": False}
            await call("Emulation.setDeviceMetricsOverride", height=200, **size)
            await call("Page.navigate", url=address)
            await asyncio.sleep(1)
            height = await call(
                "Runtime.evaluate",
                expression=_FONTS_AND_HEIGHT,
                awaitPromise=True,
                returnByValue=True,
            )
            pixels = height["result"]["value"]
            await call("Emulation.setDeviceMetricsOverride", height=pixels, **size)
            await asyncio.sleep(1)
            shot = await call("Page.captureScreenshot", format="png")
            return base64.b64decode(shot["data"])


def terminal(command: str, output: str, target: Path) -> None:
    """Write an SVG of a command and its output on a terminal of 80 columns."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=_COLUMNS, file=nowhere, force_terminal=True)
        text = Text(f"$ {command}\n{output.rstrip()}")
        text.highlight_regex(r"(?m)^\$ .*$", "bold")
        text.highlight_regex(r"(?m)^✓", "green")
        text.highlight_regex(r"(?m)^·", "cyan")
        text.highlight_regex(r"https?://\S+", "bold blue")
        console.print(text)
        svg = console.export_svg(title=command)
    # The font is the reader's: a picture in a repository loads nothing.
    target.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL))


def deploy_with_github(world: World) -> str:
    """Deploy the preview as CI does, and return the body of the pull request's comment."""
    with LocalGitHub() as hub:
        lifecycle = Lifecycle(world, hub)
        lifecycle.pull(NUMBER, head_sha=git(REPOSITORY, "rev-parse", "HEAD"))
        hub.state.run(_RUN)
        lifecycle.previews("up", str(NUMBER), run=_RUN)
        (found,) = hub.state.comments_of(NUMBER)
        return found.body


def main() -> None:
    """Write all three pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chromium", required=True)
    parser.add_argument("--style", default="")
    options = parser.parse_args()
    settings = Settings()
    world = World(REPOSITORY, settings, {"COLUMNS": str(_COLUMNS)})
    world.sandbox("preview", str(NUMBER))
    world.sandbox("destroy", str(NUMBER))
    body = deploy_with_github(world)
    FOLDER.mkdir(exist_ok=True)
    photograph(comment(body), FOLDER / "comment.png", options.chromium, options.style)
    stack = f"pr-{NUMBER}"
    with world.client(stack) as client:
        listed = client.get("/customers", params={"limit": 1}).json()
    address = f"http://{stack}.{settings.domain}:{settings.http_port}/customers?limit=1"
    photograph(page(address, listed), FOLDER / "preview.png", options.chromium, options.style)
    world.sandbox("destroy", str(NUMBER))
    output = world.sandbox("preview", str(NUMBER))
    terminal(f"make preview PR={NUMBER}", output, FOLDER / "terminal.svg")


if __name__ == "__main__":
    main()
