"""Previews beside staging: each its own, each with staging's data."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contract.stack_name import StackName
from sandbox.staging import config_file
from tests.e2e import customers
from tests.e2e.databases import login, on_server, server_of
from tests.e2e.inventory import everything
from tests.e2e.world import World, pulumi_up

PAIRS = {"snapshot": (42, 43), "branch": (52, 53)}


@pytest.fixture(scope="module", params=PAIRS)
def pair(world: World, request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Two previews of one mode, brought up at the same time."""
    mode, numbers = request.param, PAIRS[request.param]
    # The first in mode branch make the server that they share, whichever of them is first.
    processes = [world.start("preview", str(n), "--database", mode) for n in numbers]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(outputs)
    # The URL comes last: it is what the reader came for.
    for number, output in zip(numbers, outputs, strict=True):
        port, domain = world.settings.http_port, world.settings.domain
        assert output.splitlines()[-1] == f"http://pr-{number}.{domain}:{port}"
    one, other = (f"pr-{number}" for number in numbers)
    yield one, other
    for number in numbers:
        world.sandbox("destroy", str(number))


def test_each_answers_crud_at_its_url(world: World, pair: tuple[str, str]) -> None:
    for stack in ("staging", *pair):
        with world.client(stack) as client:
            assert client.get("/health").status_code == 200
            customers.crud_round_trip(client)


def test_each_shows_the_rows_of_staging(world: World, pair: tuple[str, str]) -> None:
    with world.client("staging") as staging:
        expected = customers.oldest(staging)
    assert len(expected) == 50
    for stack in pair:
        with world.client(stack) as client:
            assert customers.oldest(client) == expected


def test_staging_holds_as_many_rows_as_asked_for(world: World, pair: tuple[str, str]) -> None:
    for stack in ("staging", *pair):
        counted = world.run(
            "psql", f"service={stack}", "-At", "-c", "select count(*) from customers"
        )
        assert int(counted.splitlines()[-1]) >= world.settings.seed_rows >= 100_000


def test_a_write_is_seen_nowhere_else(world: World, pair: tuple[str, str]) -> None:
    stacks = ("staging", *pair)
    for writer in stacks:
        with world.client(writer) as client:
            written = customers.create(client)["id"]
        seen = []
        for reader in stacks:
            with world.client(reader) as client:
                if customers.exists(client, written):
                    seen.append(reader)
        assert seen == [writer]


def test_the_application_can_not_alter_the_schema(world: World, pair: tuple[str, str]) -> None:
    for stack in ("staging", *pair):
        role, _ = login(world, stack, "database-app")
        rights = (
            f"select has_schema_privilege('{role}', 'public', 'CREATE'),"
            " exists (select from pg_tables"
            f"         where schemaname = 'public' and tableowner = '{role}'),"
            f" has_table_privilege('{role}', 'customers', 'SELECT, INSERT, UPDATE, DELETE')"
        )
        output = world.run("psql", f"service={stack}", "-At", "-c", rights)
        assert output.splitlines()[-1] == "f|f|t"


def test_the_master_s_password_reaches_no_pod_of_the_application(
    world: World, pair: tuple[str, str]
) -> None:
    for stack in ("staging", *pair):
        pods = world.kubectl("get", "pods", "--namespace", stack)["items"]
        named = {
            pod["metadata"]["labels"]["app.kubernetes.io/name"]: str(pod["spec"]) for pod in pods
        }
        assert "database-app" in named["service"]
        assert "database-master" not in named["service"]
        assert "database-master" not in named["migrate"]


def test_logs_of_a_pod_are_read_with_kubectl(world: World, pair: tuple[str, str]) -> None:
    with world.client(pair[0]) as client:
        answer = client.get("/version")
    logs = world.run("kubectl", "logs", "--namespace", pair[0], "deployment/service")
    assert answer.headers["X-Request-ID"] in logs


def test_a_second_up_changes_nothing(world: World, pair: tuple[str, str]) -> None:
    before = everything(world)
    for stack in ("staging", *pair):
        options = ["--expect-no-changes"]
        if stack == "staging":
            options += ["--config-file", str(config_file(world.settings, StackName.parse(stack)))]
        world.run(*pulumi_up(stack, *options))
    assert everything(world) == before


def test_a_privileged_pod_is_refused(world: World, pair: tuple[str, str]) -> None:
    override = (
        '{"spec": {"containers": [{"name": "p", "image": "p",'
        ' "securityContext": {"privileged": true}}]}}'
    )
    output = world.run(
        *("kubectl", "run", "p", "--image=p", "--namespace", pair[0], "--overrides", override),
        fails=True,
    )
    assert "violates PodSecurity" in output
    assert "privileged" in output


def test_what_is_up_is_shown(world: World, pair: tuple[str, str]) -> None:
    shown = world.sandbox("status")
    for stack in ("staging", *pair):
        url = f"http://{stack}.{world.settings.domain}:{world.settings.http_port}"
        assert url in shown
    assert "restarting" not in shown


OF_A_DATABASE = ("aws rds", "aws ec2", "aws iam", "aws secretsmanager", "folder rds/")


def test_destroy_leaves_nothing(world: World, pair: tuple[str, str]) -> None:
    branch = world.outputs(pair[0])["databaseMode"] == "branch"
    server = server_of(world, pair[0]) if branch else None
    before, shared = everything(world), on_server(world, server)
    number = "54" if branch else "44"
    world.sandbox("preview", number, "--database", "branch" if branch else "snapshot")
    made = everything(world) - before
    for kind in OF_A_DATABASE:
        assert any(line.startswith(kind) for line in made) is not branch, f"{kind}: {sorted(made)}"
    assert any(line.startswith("aws ecr") for line in made)
    assert any(f"kubernetes pods pr-{number}/" in line for line in made)
    assert any(line.startswith("process") for line in made)
    assert len(on_server(world, server) - shared) == (3 if branch else 0)
    output = world.sandbox("destroy", number)
    assert "nothing is left" in output
    assert everything(world) == before
    assert on_server(world, server) == shared


def test_destroying_what_is_not_there_is_no_failure(world: World) -> None:
    assert "nothing is left" in world.sandbox("destroy", "4444")
