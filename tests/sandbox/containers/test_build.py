from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sandbox.containers.running import Interrupt
from sandbox.errors import SandboxError
from tests.sandbox.containers.conftest import Bench

pytestmark = pytest.mark.sandbox

is_root = os.geteuid() == 0


def test_an_image_of_two_stages_holds_what_was_built_and_copied(bench: Bench) -> None:
    bench.write("src/main.py", "print('built')\n")
    image = bench.build(
        """\
        FROM python:3-slim AS builder
        WORKDIR /build
        COPY src ./src
        RUN mkdir -p /out/bin && python3 src/main.py > /out/text && ln -s text /out/link \\
            && chmod 700 /out/bin
        FROM python:3-slim
        ENV NAME=value PATH=/app/bin:$PATH
        WORKDIR /app
        COPY --from=builder /out /app
        USER 10001:10001
        EXPOSE 8000
        LABEL a=b "c d"="e f"
        STOPSIGNAL SIGTERM
        HEALTHCHECK --interval=1m30s --retries=2 CMD ["true"]
        ENTRYPOINT ["python3"]
        CMD ["-m", "service"]
        """,
        labels={"revision": "abc"},
    )
    assert bench.run(image, "cat /app/link; ls /app; ls -d /build || true").split()[:4] == [
        "built",
        "bin",
        "link",
        "text",
    ]
    config = image.config["config"]
    assert config["Env"] == [
        "PATH=/app/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "NAME=value",
    ]
    assert (config["WorkingDir"], config["User"]) == ("/app", "10001:10001")
    assert (config["Entrypoint"], config["Cmd"]) == (["python3"], ["-m", "service"])
    assert config["Labels"] == {"a": "b", "c d": "e f", "revision": "abc"}
    assert config["ExposedPorts"] == {"8000/tcp": {}}
    assert config["Healthcheck"] == {
        "Test": ["CMD", "true"],
        "Interval": 90_000_000_000,
        "Retries": 2,
    }
    assert len(image.config["rootfs"]["diff_ids"]) == len(image.layers) == 2


def test_the_same_files_are_the_same_image_and_nothing_is_done_again(bench: Bench) -> None:
    dockerfile = "FROM python\nCOPY . /app\nRUN cat /app/a > /b\n"
    source = bench.write("a")
    first = bench.build(dockerfile)
    assert len(bench.worked) == 2
    os.utime(source, (1, 1))
    again = bench.build(dockerfile)
    assert (again.digest, bench.worked) == (first.digest, [])

    bench.write("a", "other")
    changed = bench.build(dockerfile)
    assert changed.digest != first.digest
    assert len(bench.worked) == 2
    assert bench.run(changed, "cat /b") == "other"


def test_a_change_of_code_leaves_the_dependencies_alone(bench: Bench) -> None:
    dockerfile = """\
        FROM python AS builder
        COPY lock.txt ./
        RUN mkdir /venv && cp lock.txt /venv/
        COPY code /code
        RUN touch /code/compiled
        FROM python
        COPY --from=builder /venv /app/venv
        COPY --from=builder /code /app/code
        """
    bench.write("lock.txt")
    bench.write("code/main.py", "1")
    bench.build(dockerfile)
    bench.write("code/main.py", "2")
    image = bench.build(dockerfile)
    assert [line.partition("] ")[2] for line in bench.worked] == [
        "COPY code /code",
        "RUN touch /code/compiled",
        "COPY --from=builder /code /app/code",
    ]
    assert bench.run(image, "cat /app/code/main.py; ls /app/code /app/venv").split() == [
        *("2/app/code:", "compiled", "main.py", "/app/venv:", "lock.txt"),
    ]


def test_arguments(bench: Bench) -> None:
    dockerfile = """\
        ARG BASE=python
        ARG SHARED=global
        FROM ${BASE}
        ARG SHARED
        ARG GIVEN=default OTHER=${GIVEN}-more
        ARG TARGETARCH
        ENV FIXED=env
        ARG FIXED=arg
        RUN echo "$SHARED $GIVEN $OTHER $FIXED $UNDECLARED $TARGETARCH" > /out
        LABEL given=$GIVEN
        """
    image = bench.build(dockerfile, build_args={"GIVEN": "mine", "UNDECLARED": "x"})
    text = bench.run(image, "cat /out")
    assert text.split() == ["global", "mine", "mine-more", "env", image.config["architecture"]]
    assert image.config["config"]["Labels"] == {"given": "mine"}
    assert "warning: build argument UNDECLARED: the Dockerfile has no such ARG" in bench.log
    bench.build(dockerfile, build_args={"GIVEN": "mine"})
    assert bench.worked == []
    bench.build(dockerfile, build_args={"GIVEN": "yours"})
    assert len(bench.worked) == 1


def test_where_copy_puts_what(bench: Bench) -> None:
    for name in ("one.txt", "two.txt", "dir/inner/deep", "dir/.hidden", "ignored/x"):
        bench.write(name)
    bench.write(".dockerignore", "ignored\n")
    image = bench.build(
        """\
        FROM python
        WORKDIR /w
        COPY one.txt renamed.txt
        COPY one.txt .
        COPY one.txt /new/folder/
        COPY one.txt two.txt /both/
        COPY *.txt /glob/
        COPY dir /dir
        COPY ["one.txt", "/with space/"]
        COPY . /all
        COPY one.txt /var/run/late.txt
        COPY one.txt /bin/tool
        COPY <<one <<"two" /docs/
        $HOME 'quoted'
        one
        $HOME
        two
        """
    )
    files = bench.run(image, "cd / && find w new both glob dir all docs 'with space' run -type f")
    assert sorted(files.splitlines()) == sorted(
        [
            *("w/renamed.txt", "w/one.txt", "new/folder/one.txt", "both/one.txt", "both/two.txt"),
            *("glob/one.txt", "glob/two.txt", "dir/inner/deep", "dir/.hidden"),
            *("with space/one.txt", "all/one.txt", "all/two.txt", "all/dir/inner/deep"),
            *("all/dir/.hidden", "all/.dockerignore", "run/late.txt", "docs/one", "docs/two"),
        ]
    )
    assert bench.run(image, "cat /docs/one /docs/two; ls /bin/tool /usr/bin/env") == (
        " 'quoted'\n$HOME\n/bin/tool\n/usr/bin/env\n"
    )


@pytest.mark.skipif(not is_root, reason="gives files away")
def test_copy_sets_owners_and_modes(bench: Bench) -> None:
    bench.write("a").chmod(0o640)
    image = bench.build(
        """\
        FROM python AS first
        RUN useradd --uid 1234 --user-group app
        RUN mkdir /own && touch /own/x && chown app:app /own/x
        COPY a /plain
        COPY --chown=app:app a /named/a
        COPY --chown=7 --chmod=4755 a /number
        FROM python
        COPY --from=first /own /kept
        COPY --from=first --chown=5:6 /own /given
        COPY --from=first /plain /named /number /out/
        """
    )
    assert bench.run(image, "cd /; stat -c '%n %u %g %a' kept/x given/x out/*").splitlines() == [
        "kept/x 1234 1234 644",
        "given/x 5 6 644",
        "out/a 1234 1234 640",
        "out/number 7 7 4755",
        "out/plain 0 0 640",
    ]


def test_files_of_a_layer_are_never_changed_by_a_later_one(bench: Bench) -> None:
    bench.build(
        "FROM python AS a\nRUN echo 1 > /f\nFROM python\nCOPY --from=a /f /f\nRUN echo 2 > /f\n"
    )
    image = bench.build("FROM python AS a\nRUN echo 1 > /f\nFROM python\nCOPY --from=a /f /f\n")
    assert bench.run(image, "cat /f") == "1\n"


def test_run_removes_replaces_and_renames(bench: Bench) -> None:
    bench.write("tree/a/1")
    bench.write("tree/b/2")
    image = bench.build(
        """\
        FROM python
        COPY tree /tree
        RUN rm -r /tree/a && mv /tree/b /tree/c && mkdir /tree/a && touch /tree/a/new
        RUN rm -rf /etc/apt /etc/hostname-gone; echo x > /etc/added; rm -f /tree/c/none
        """
    )
    assert bench.run(image, "cd /tree; find . -type f; cat /etc/added").split() == [
        "./a/new",
        "./c/2",
        "x",
    ]


def test_run_sees_its_user_its_environment_and_its_shell(bench: Bench) -> None:
    image = bench.build(
        """\
        FROM python
        RUN mkdir -m 777 /out
        ENV NAME="two words"
        WORKDIR /tmp
        USER 1234
        RUN id -u > /out/user; pwd > /out/pwd; echo "$NAME" > /out/name
        SHELL ["/bin/bash", "-ec"]
        RUN [[ a == a ]] && echo yes > /out/bash
        RUN ["/bin/sh", "-c", "echo $0 exec > /out/exec"]
        RUN <<EOF
        echo one > /out/heredoc
        echo "two" >> /out/heredoc
        EOF
        RUN cat <<-END > /out/redirected
        \ttext
        END
        """
    )
    command = "cd /out; cat user pwd name bash exec heredoc redirected"
    assert bench.run(image, command).splitlines() == [
        *("1234", "/tmp", "two words", "yes", "/bin/sh exec", "one", "two", "text"),
    ]


def test_mounts_of_run_leave_nothing_behind(bench: Bench) -> None:
    bench.write("requirements.txt", "a==1\n")
    dockerfile = """\
        FROM python AS other
        RUN mkdir /wheels && echo wheel > /wheels/w
        FROM python
        WORKDIR /app
        RUN --mount=type=cache,target=/root/.cache/tool,sharing=locked \\
            --mount=type=bind,source=requirements.txt,target=requirements.txt \\
            --mount=type=bind,from=other,source=/wheels,target=/mnt/wheels \\
            --mount=type=tmpfs,target=/scratch/deep \\
            echo x >> /root/.cache/tool/n && cat requirements.txt /mnt/wheels/w > got \\
            && touch /scratch/deep/x && cp /root/.cache/tool/n count && (! touch /mnt/wheels/x)
        """
    image = bench.build(dockerfile)
    listed = bench.run(
        image, "cat /app/got; cat /app/count; ls -A / /app /root /mnt /scratch || true"
    )
    assert listed.startswith("a==1\nwheel\nx\n")
    assert "requirements.txt" not in listed
    assert "scratch" not in listed.replace("cannot access '/scratch'", "")
    assert "wheels" not in listed
    assert ".cache" not in listed
    # The cache's folder outlives the build; a changed file that is bound counts as a change.
    bench.write("requirements.txt", "a==2\n")
    assert bench.run(bench.build(dockerfile), "cat /app/got /app/count") == "a==2\nwheel\nx\nx\n"


def test_what_a_build_needs_of_this_machine_never_enters_the_image(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("certificates")
    monkeypatch.setenv("PIP_CERT", str(bundle))
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@proxy.invalid")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    image = bench.build(
        """\
        FROM python
        RUN test "$(cat $PIP_CERT)" = certificates && test -n "$HTTPS_PROXY" \\
            && test -z "$AWS_SECRET_ACCESS_KEY" && touch /ok
        """
    )
    assert b"secret" not in image.manifest
    assert "secret" not in json.dumps(image.config)
    assert bench.run(image, "env; ls /ok /run").split()[-2:] == ["/ok", "/run:"]
    monkeypatch.delenv("HTTPS_PROXY")
    bench.build("FROM python\nRUN true\n")


def test_a_run_that_fails_says_where_and_shows_its_last_lines(bench: Bench) -> None:
    with pytest.raises(SandboxError) as failure:
        bench.build("FROM python\n\nRUN for i in $(seq 30); do echo line $i; done; exit 3\n")
    message = str(failure.value)
    assert message.startswith("Dockerfile line 3: RUN for i in $(seq 30)")
    assert "exited with 3" in message
    assert "    line 11\n" in message
    assert "    line 30\n" in message
    assert "line 10\n" not in message
    assert list((bench.store.root / "scratch").iterdir()) == []
    assert bench.store.list() == ()


@pytest.mark.parametrize(
    ("instruction", "message"),
    [
        ("COPY nothing /x", "there is no nothing in the build context"),
        ("COPY ../outside /x", "outside the build context"),
        ("COPY hidden /x", "left out of the build context by .dockerignore"),
        ("COPY here", "at least one source and a target"),
        ("COPY --from=ghcr.invalid/uv /uv /uv", "nothing that stands for ghcr.invalid/uv"),
        ("COPY --chmod=u+x here /x", "octal"),
        ("COPY --chown=nobody-such here /x", "no user 'nobody-such'"),
        ("RUN --network=none true", "--network=none"),
        ("RUN --mount=type=secret,id=a,required=true true", "no secrets"),
        ("EXPOSE 99999", "no port"),
        ("SHELL /bin/sh", "JSON form"),
        ("HEALTHCHECK --interval=soon CMD true", "no duration"),
        ("ENV A", "has no value"),
        ("USER nobody-such\nRUN true", "no user 'nobody-such'"),
        ("STOPSIGNAL please stop", "no signal"),
    ],
)
def test_an_instruction_that_cannot_be_carried_out_is_named(
    bench: Bench, instruction: str, message: str
) -> None:
    bench.write("here")
    bench.write("hidden")
    bench.write(".dockerignore", "hidden\n")
    name = instruction.splitlines()[-1].split()[0]
    with pytest.raises(SandboxError, match=rf"Dockerfile line \d: {name}[^\n]*(.|\n)*{message}"):
        bench.build(f"FROM python\n{instruction}\n")


@pytest.mark.parametrize(
    ("dockerfile", "options", "message"),
    [
        ("FROM --platform=linux/s390x python\n", {}, "is not this machine's"),
        ("ARG B\nFROM $B\n", {}, "empty name"),
        ("FROM python AS a\n", {"target": "b"}, "no such stage; it has a"),
    ],
)
def test_a_stage_that_cannot_be_begun_is_named(
    bench: Bench, dockerfile: str, options: dict[str, str], message: str
) -> None:
    with pytest.raises(SandboxError, match=message):
        bench.build(dockerfile, **options)


def test_only_what_the_target_needs_is_built(bench: Bench) -> None:
    dockerfile = (
        "FROM python AS a\nRUN exit 1\nFROM python AS b\nRUN touch /b\nFROM b AS c\nRUN exit 2\n"
    )
    image = bench.build(dockerfile, target="b")
    assert bench.run(image, "ls /b") == "/b\n"


def test_a_later_stage_takes_back_the_command_when_it_sets_an_entrypoint(bench: Bench) -> None:
    image = bench.build('FROM python AS a\nCMD ["a"]\nFROM a\nENTRYPOINT ["b"]\n')
    assert "Cmd" not in image.config["config"]
    image = bench.build('FROM python AS a\nCMD ["a"]\nFROM a\nENV X=1\n')
    assert image.config["config"]["Cmd"] == ["a"]


def test_two_builds_at_once_do_the_work_once(bench: Bench) -> None:
    dockerfile = (
        "FROM python\nRUN --mount=type=cache,target=/c echo x >> /c/runs; sleep 0.2; cp /c/runs /\n"
    )
    digests: list[str] = []

    def work() -> None:
        digests.append(Bench(bench.context, bench.store).build(dockerfile).digest)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(digests) == 3
    assert len(set(digests)) == 1
    assert bench.run(bench.build(dockerfile), "cat /runs") == "x\n"


def test_a_build_without_the_cache_does_everything_again(bench: Bench) -> None:
    bench.build("FROM python\nRUN true\nRUN touch /a\n")
    bench.build("FROM python\nRUN true\nRUN touch /a\n", use_cache=False)
    assert len(bench.worked) == 2


def test_a_layer_that_was_collected_is_made_again(bench: Bench) -> None:
    dockerfile = "FROM python\nRUN echo x > /a\n"
    image = bench.build(dockerfile)
    for record in (bench.store.root / "cache/results").iterdir():
        os.utime(record, (1, 1))
    bench.store.delete(image.digest)
    assert len(bench.store.collect_garbage()) == 1
    assert bench.build(dockerfile).digest == image.digest
    assert len(bench.worked) == 1


def test_an_interrupted_build_ends_its_command_at_once(bench: Bench) -> None:
    interrupt = Interrupt()

    def log(line: str) -> None:
        if "begun" in line and not line.startswith("["):
            interrupt.set()

    from sandbox.containers.build import build

    with pytest.raises(SandboxError, match="interrupted"):
        build(
            "FROM python\nRUN echo begun; sleep infinity\n",
            bench.context,
            store=bench.store,
            log=log,
            interrupt=interrupt,
        )
    assert list((bench.store.root / "scratch").iterdir()) == []


def test_a_killed_build_leaves_no_process_and_the_next_one_goes_on(
    bench: Bench, tmp_path: Path
) -> None:
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from sandbox.containers.build import build\n"
        "from sandbox.containers.store import ImageStore\n"
        "build(sys.argv[1], Path(sys.argv[2]), store=ImageStore(Path(sys.argv[3])),"
        " log=lambda line: print(line, flush=True))\n"
    )
    marker = f"killed-build-{os.getpid()}"
    command = f"(sh -c 'sleep 61; : {marker}') & echo begun; sleep 60"
    text = f"FROM python\nRUN touch /first\nRUN {command}\n"
    process = subprocess.Popen(
        [sys.executable, "-c", script, text, str(bench.context), str(bench.store.root)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == "begun":
            break
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
    deadline = time.monotonic() + 30
    while _processes_with(marker) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _processes_with(marker) == []

    bench.build("FROM python\nRUN touch /first\nRUN true\n")
    assert [line.partition("] ")[2] for line in bench.worked] == ["RUN true"]
    bench.store.collect_garbage()
    assert list((bench.store.root / "scratch").glob("*")) == []


def _processes_with(text: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if text.encode() in command and b"-c\0import sys" not in command:
                found.append(int(entry.name))
    return found


def test_packages_are_installed_into_a_virtual_environment(bench: Bench) -> None:
    bench.write("pkg/pyproject.toml", '[project]\nname = "pkg"\nversion = "1"\n')
    image = bench.build(
        """\
        FROM python:3-slim AS builder
        RUN python3 -m venv --without-pip /app/.venv
        RUN echo 'answer = 42' > /app/.venv/lib/python3*/site-packages/pkg.py || \\
            sh -c 'echo "answer = 42" > $(echo /app/.venv/lib/python3*/site-packages)/pkg.py'
        FROM python:3-slim
        COPY --from=builder /app/.venv /app/.venv
        ENV PATH=/app/.venv/bin:$PATH
        """
    )
    path = next(e for e in image.config["config"]["Env"] if e.startswith("PATH="))
    output = bench.run(
        image,
        f"{path}; python -c 'import pkg, sys; print(pkg.answer, sys.prefix)'",
        uid=10001,
        gid=10001,
        read_only_root=True,
    )
    assert output == "42 /app/.venv\n"
