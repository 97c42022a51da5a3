from __future__ import annotations

import pytest

from sandbox.errors import SandboxError
from sandbox.postgres.binaries import client_folder, installation


@pytest.mark.parametrize(("asked", "major"), [("16", 16), ("16.8", 16), ("18", 18), ("18.1", 18)])
def test_only_the_major_version_counts(asked: str, major: int) -> None:
    found = installation(asked)

    assert found.major == major
    assert found.version.startswith(f"{major}.")
    assert (found.programs / "initdb").is_file()


@pytest.mark.parametrize("asked", ["9.6.3", "17", "", "sixteen", "-16"])
def test_a_version_that_is_not_here_is_refused_with_those_that_are(asked: str) -> None:
    with pytest.raises(SandboxError, match="16, 18"):
        installation(asked)


def test_a_person_gets_a_psql() -> None:
    assert (client_folder() / "psql").is_file()
