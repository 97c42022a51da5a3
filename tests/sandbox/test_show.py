from io import StringIO

from rich.console import Console

from sandbox import show


def test_a_stack_takes_one_line_of_a_terminal_of_80_columns() -> None:
    output = StringIO()
    stacks = {
        "data-1": {"snapshot": "rds:staging-2026-11-27-04-29"},
        "pr-4242": {
            "url": "http://pr-4242.preview.localhost:8080",
            "commit": "0bc745d1ed7b4f6a",
            "snapshot": "rds:staging-2026-11-27-04-29",
            "expires": "2026-12-04T04:26:58Z",
        },
        "staging": {"url": "http://staging.preview.localhost:8080", "expires": "never"},
    }
    Console(file=output, width=80).print(show.stacks_table(stacks))

    _, _, _, _, *rows, _ = output.getvalue().splitlines()
    cells = [[cell.strip() for cell in row.strip("│").split("│")] for row in rows]
    assert cells == [
        ["data-1", "", "", ""],
        ["pr-4242", "http://pr-4242.preview.localhost:8080", "0bc745d", "2026-12-04"],
        ["staging", "http://staging.preview.localhost:8080", "", "never"],
    ]
