from __future__ import annotations

import textwrap

import pytest

from sandbox.containers.dockerfile import Instruction, parse
from sandbox.errors import SandboxError


def body(text: str) -> tuple[Instruction, ...]:
    return parse("FROM base\n" + textwrap.dedent(text)).stages[0].instructions


def test_stages_and_global_arguments() -> None:
    parsed = parse("ARG BASE=x\n# note\nFROM $BASE AS Builder\nRUN a\nfrom builder\n")
    assert [argument.text for argument in parsed.arguments] == ["BASE=x"]
    assert [(stage.name, stage.start.line) for stage in parsed.stages] == [
        ("builder", 3),
        (None, 5),
    ]


def test_lines_are_joined_and_comments_inside_are_left_out() -> None:
    (instruction,) = body(
        """\
        RUN a \\
            # why b

            && b
        """
    )
    assert instruction.text == "a && b"
    assert instruction.line == 2


def test_flags_and_the_json_form() -> None:
    copy, run, cmd = body(
        """\
        COPY --from=builder --chown=1:2 a b
        RUN --mount=type=cache,target=/c --mount=type=bind,target=/b x
        CMD ["python", "-m", "service"]
        """
    )
    assert copy.flags == (("from", "builder"), ("chown", "1:2"))
    assert copy.text == "a b"
    assert [value for _, value in run.flags] == ["type=cache,target=/c", "type=bind,target=/b"]
    assert cmd.json == ["python", "-m", "service"]
    assert copy.json is None


def test_here_documents() -> None:
    run, copy, after = body(
        """\
        RUN <<EOF
        first
        # kept
        EOF
        COPY <<-'A' <<B /target/
        \tnot $EXPANDED
        \tA
        text
        B
        RUN after
        """
    )
    assert run.heredocs[0].text == "first\n# kept\n"
    assert [(doc.name, doc.text, doc.expands) for doc in copy.heredocs] == [
        ("A", "not $EXPANDED\n", False),
        ("B", "text\n", True),
    ]
    assert after.text == "after"


def test_a_shift_in_a_quoted_text_is_no_here_document() -> None:
    (instruction,) = body("""RUN python -c "print(1 <<EOF)"\n""")
    assert instruction.heredocs == ()


def test_directives() -> None:
    parsed = parse("# syntax=docker/dockerfile:1.7\n# escape=`\nFROM base\nRUN a `\n  b\n")
    assert parsed.escape == "`"
    assert parsed.stages[0].instructions[0].text == "a b"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it has no FROM"),
        ("RUN a\nFROM b", "line 1: RUN a"),
        ("FROM b\n\nADD a b", "line 3: ADD a b(.|\n)*use COPY"),
        ("FROM b\nRUNN a", "RUNN is no instruction"),
        ("FROM b\nCOPY --parents a b", "--parents is no flag of COPY"),
        ("FROM b\nWORKDIR", "it has no argument"),
        ("FROM a b", "expected FROM image"),
        ("FROM b\nRUN <<EOF\na", "here-document EOF does not end"),
        ("# syntax=example/other\nFROM b", "docker/dockerfile:1 only"),
    ],
)
def test_what_would_not_be_honoured_is_refused_by_line(text: str, message: str) -> None:
    with pytest.raises(SandboxError, match=message):
        parse(text)
