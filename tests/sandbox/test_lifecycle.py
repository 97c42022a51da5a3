from pathlib import Path

import pytest

from sandbox import lifecycle
from sandbox.errors import SandboxError
from sandbox.settings import Settings


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"http_port": 8090}, "http_port was 8080, now it is 8090"),
        ({"subnet": "127.9.0.0/16"}, "subnet was 127.42.0.0/16, now it is 127.9.0.0/16"),
        ({"seed_rows": 7}, "seed_rows was 100000, now it is 7"),
    ],
)
def test_a_state_is_not_started_with_settings_other_than_it_was_made_with(
    tmp_path: Path, changed: dict[str, object], named: str
) -> None:
    made = Settings(
        home=tmp_path / "state",
        cache=tmp_path / "cache",
        subnet="127.42.0.0/16",
        http_port=8080,
        seed_rows=100_000,
    )
    made.home.mkdir()
    (made.home / "settings.json").write_text(made.model_dump_json())

    with pytest.raises(SandboxError, match=named) as refused:
        lifecycle.start(made.model_copy(update=changed), lambda _: None)
    assert "sandbox reset --yes" in str(refused.value)
    assert [path.name for path in made.home.iterdir()] == ["settings.json"]
