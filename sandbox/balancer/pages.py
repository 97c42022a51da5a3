"""What the load balancer answers by itself."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

_TITLES = {
    400: "400 Bad Request",
    408: "408 Request Time-out",
    502: "502 Bad Gateway",
    503: "503 Service Temporarily Unavailable",
    504: "504 Gateway Time-out",
}


@dataclass(frozen=True)
class Preview:
    """A host that is served.

    Attributes:
        host: Its name.
        url: Where it is.
        ingress: ``namespace/name`` of what serves it.
        healthy: Number of healthy targets.
        targets: Number of targets.
    """

    host: str
    url: str
    ingress: str
    healthy: int
    targets: int

    @property
    def state(self) -> str:
        """What a person wants to know first."""
        if self.healthy:
            return "ready"
        return "starting" if self.targets else "nothing runs"


def error(status: int) -> str:
    """The body of an error as an ALB words it."""
    title = _TITLES[status]
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    )


def unknown_host_text(host: str, previews: Sequence[Preview]) -> str:
    """For programs and terminals: which hosts there are."""
    lines = [f"No preview is served at {host!r}."]
    lines += [f"  {preview.url}  ({preview.state})" for preview in previews]
    if not previews:
        lines.append("There is none at all yet: run `make preview PR=42`.")
    return "\n".join(lines) + "\n"


def unknown_host(host: str, previews: Sequence[Preview]) -> str:
    """For browsers: the previews that there are, as links."""
    items = "\n".join(
        f'<li><a href="{html.escape(p.url)}">{html.escape(p.host)}</a>'
        f'<span class="{p.state.split()[0]}">{p.state}</span>'
        f"<small>{html.escape(p.ingress)} &middot; {p.healthy} of {p.targets} healthy</small></li>"
        for p in previews
    )
    none = "<p>There is none yet. Bring one up with <code>make preview PR=42</code>.</p>"
    return _PAGE.format(host=html.escape(host), body=f"<ul>{items}</ul>" if items else none)


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Previews</title>
<style>
:root {{ color-scheme: light dark; --line: #8884; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 40rem;
       margin: 12vh auto; padding: 0 1rem; }}
h1 {{ font-size: 1.4rem; margin: 0; }}
p {{ opacity: .75; }}
ul {{ list-style: none; padding: 0; border-top: 1px solid var(--line); }}
li {{ padding: .7rem 0; border-bottom: 1px solid var(--line); display: grid;
      grid-template-columns: 1fr auto; }}
li small {{ grid-column: 1 / -1; opacity: .6; }}
a {{ font-weight: 600; }}
span {{ font-size: .8rem; padding: 0 .6rem; border-radius: 1rem; background: #8883; }}
span.ready {{ background: #2a24; }}
span.starting {{ background: #da24; }}
</style>
</head>
<body>
<h1>No preview at this address</h1>
<p>The load balancer knows no rule for <code>{host}</code>. These are served:</p>
{body}
</body>
</html>
"""
