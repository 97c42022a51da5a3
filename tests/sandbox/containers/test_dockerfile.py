from __future__ import annotations

import textwrap

import pytest

from sandbox.containers.dockerfile import Instruction, parse, read
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
    ("text", "escape"),
    [
        ("FROM b", "\\"),
        ("# ESCAPE = `\nFROM b", "`"),
        ("# escape=`\n# escape=\\\nFROM b", "\\"),
        ("# escape=x\nFROM b", "\\"),
        ("# other=1\n# escape=`\nFROM b", "`"),
        # After anything else it is a comment.
        ("# a note\n# escape=`\nFROM b", "\\"),
        ("\n# escape=`\nFROM b", "\\"),
    ],
)
def test_directives_stand_before_everything(text: str, escape: str) -> None:
    assert parse(text).escape == escape


@pytest.mark.parametrize(
    "syntax", ["docker/dockerfile", "docker/dockerfile:1", f"docker/dockerfile@sha256:{'0a' * 32}"]
)
def test_docker_s_own_syntax_is_known(syntax: str) -> None:
    assert len(parse(f"# syntax={syntax}\nFROM b").stages) == 1


def test_stages_know_their_places_and_what_is_theirs() -> None:
    one, two = parse("FROM a\n\nRUN x\nUSER y\nFROM b as c\nRUN z").stages
    assert (one.index, one.name, [i.text for i in one.instructions]) == (0, None, ["x", "y"])
    assert (two.index, two.name, [i.text for i in two.instructions]) == (1, "c", ["z"])
    assert [(i.name, i.line) for i in one.instructions] == [("RUN", 3), ("USER", 4)]


def test_words_may_be_apart_by_tabs_and_names_small() -> None:
    one, two = body("run\ta b\nuser c\n")
    assert [(i.name, i.text) for i in (one, two)] == [("RUN", "a b"), ("USER", "c")]


def test_lines_that_go_on_for_ever_end_with_the_file() -> None:
    (instruction,) = body("RUN a \\\n  b \\\n# c\n")
    assert instruction.text == "a b"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", []),
        ('["a", "b"]', ["a", "b"]),
        ('["a", 1]', None),
        ('[1, "a"]', None),
        ("[a]", None),
        ('"a"', None),
    ],
)
def test_the_json_form_has_words_alone(text: str, words: list[str] | None) -> None:
    (instruction,) = body(f"CMD {text}\n")
    assert instruction.json == words


def test_flags_without_a_value_are_true_and_most_are_given_once() -> None:
    (copy,) = body("COPY --link --from=a --from= b c\n")
    assert copy.flags == (("link", "true"), ("from", "a"), ("from", ""))
    assert (copy.flag("link"), copy.flag("chown")) == ("true", None)
    with pytest.raises(SandboxError, match="--from occurs 2 times"):
        copy.flag("from")
    (check,) = body("HEALTHCHECK --interval=1s NONE\n")
    assert (check.flag("interval"), check.text) == ("1s", "NONE")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("R" * 78, f"RUN {'R' * 76}..."),
        ("R" * 77, f"RUN {'R' * 76}..."),
        ("R" * 76, f"RUN {'R' * 76}"),
        ("a\nb", "RUN a..."),
    ],
)
def test_an_error_shows_as_much_of_a_line_as_fits(text: str, shown: str) -> None:
    error = Instruction("RUN", (), text, 7).error("it is wrong", "mend it")
    assert error.what == f"Dockerfile line 7: {shown}"
    assert (error.why, error.remedy) == ("it is wrong", "mend it")


def test_a_byte_order_mark_and_windows_line_ends_mean_nothing() -> None:
    parsed = parse("\ufeff# escape=`\r\nFROM base\r\nRUN a `\r\n  b\r\nCOPY <<A /\r\ntext\r\nA\r\n")
    run, copy = parsed.stages[0].instructions
    assert (parsed.escape, run.text, copy.heredocs[0].text) == ("`", "a b", "text\n")


def test_a_directive_for_another_check_is_a_comment() -> None:
    assert (
        len(parse("# check=skip=all\n# syntax=docker.io/docker/dockerfile:1.7-labs\nFROM b").stages)
        == 1
    )


def test_everything_that_is_wrong_is_told_at_once() -> None:
    text = "# syntax=x\nRUN a\nFROM a b\nFROM b\nONBUILD c\nRUN --x c\nRUN <<EOF\nd"
    parsed, problems = read(text)
    assert sorted(problem.line for problem in problems) == [1, 2, 3, 5, 6, 7]
    assert [stage.start.line for stage in parsed.stages] == [4]


@pytest.mark.parametrize("name", ["CMD", "LABEL"])
def test_only_run_and_copy_have_here_documents(name: str) -> None:
    (instruction,) = body(f"{name} <<EOF\n")
    assert instruction.heredocs == ()


def test_the_json_form_has_no_here_document() -> None:
    (instruction,) = body("""RUN ["a", "<<EOF"]\n""")
    assert instruction.heredocs == ()


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("ARG --x a", "none"),
        ("COPY --x a b", "--chmod, --chown, --exclude, --from, --link, --parents"),
        ("ADD --x a b", "--chmod, --chown, --exclude, --link"),
        ("FROM --x b", "--platform"),
        ("RUN --x a", "--mount, --network"),
        (
            "HEALTHCHECK --x CMD a",
            "--interval, --retries, --start-interval, --start-period, --timeout",
        ),
    ],
)
def test_an_unknown_flag_is_refused_with_those_that_are_known(text: str, flags: str) -> None:
    with pytest.raises(SandboxError) as caught:
        parse(f"FROM b\n{text}")
    assert caught.value.remedy == f"remove it; supported are: {flags}"


@pytest.mark.parametrize(
    "text", ["HEALTHCHECK", "EXPOSE 1", "STOPSIGNAL 2", "VOLUME /a", "ENV A=1"]
)
def test_what_is_honoured(text: str) -> None:
    assert len(body(f'{text}\nWORKDIR /\nENTRYPOINT a\nSHELL ["a"]\nARG A\nLABEL a=b\n')) == 6


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("ONBUILD RUN a", "built FROM this one"),
        ("RUNN a", "use one of ADD, ARG, CMD, COPY, ENTRYPOINT, ENV, EXPOSE, FROM, HEALTHCHECK"),
    ],
)
def test_what_is_not_honoured_is_told_with_what_is_instead(text: str, remedy: str) -> None:
    with pytest.raises(SandboxError) as caught:
        body(f"{text}\n")
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it has no FROM"),
        ("RUN a\nFROM b", "line 1: RUN a"),
        ("FROM b\n\nONBUILD a b", "line 3: ONBUILD a b"),
        ("FROM b\nRUNN a", "RUNN is not an instruction"),
        ("FROM b\nADD --parents a b", "--parents is no flag of ADD"),
        ("FROM b\nRUN a 'b <<C", "line 2: RUN a 'b <<C: a ' is not closed"),
        ("FROM b\nWORKDIR", "it has no argument"),
        ("FROM a b", "expected FROM image"),
        ("FROM a by c", "expected FROM image"),
        ("FROM a as b c", "expected FROM image"),
        ("ARG A\nARG B", "it has no FROM"),
        ("FROM b\n# x\nCOPY <<A <<B /\nA\nb", "line 3: (.|\n)*here-document B does not end"),
        ("FROM b\nRUN <<EOF\n\tEOF\n", "here-document EOF does not end"),
        ("# note=1\n# syntax=x\nFROM b", "line 2: # syntax=x"),
        ("FROM b\nRUN <<EOF\na", "here-document EOF does not end"),
        ("# syntax=example/other\nFROM b", "docker/dockerfile:1 only"),
    ],
)
def test_what_would_not_be_honoured_is_refused_by_line(text: str, message: str) -> None:
    with pytest.raises(SandboxError, match=message):
        parse(text)
