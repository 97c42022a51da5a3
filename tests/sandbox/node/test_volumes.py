"""The table of volume kinds, the kubelet's plugins, and the containers' mounts agree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sandbox.containers.runtime import Mount
from sandbox.errors import SandboxError
from sandbox.node.refusals import refuse_container
from sandbox.node.volumes import KINDS, VolumeKind, mounts
from sandbox.tools.recipes import MODULES
from tests.sandbox.node.fake_messages import container, mount

OVERLAY = MODULES / "kubernetes/overlay/cmd/kubelet/app/sandbox.go"
POD = "/home/node/kubelet/pods/0bc7-45d1/volumes"


def test_the_kubelet_has_the_plugin_of_each_kind_and_no_other() -> None:
    plugins = re.findall(r"(\w+)\.ProbeVolumePlugins\(\)", OVERLAY.read_text())
    assert plugins == [kind.package for kind in KINDS], (
        f"KINDS in sandbox/node/volumes.py and deps.VolumePlugins in {OVERLAY} name other kinds"
    )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.field)
def test_a_volume_of_each_kind_is_shown_in_the_container(kind: VolumeKind) -> None:
    config = container(mounts=[mount(f"{POD}/{kind.plugin}/v", "/v", readonly=True)])
    refuse_container(config)
    assert mounts(config) == (Mount(Path(f"{POD}/{kind.plugin}/v"), "/v", read_only=True),)


def test_a_volume_of_any_other_kind_is_refused_by_name() -> None:
    config = container(mounts=[mount(f"{POD}/kubernetes.io~nfs/v", "/v")])
    with pytest.raises(SandboxError) as caught:
        refuse_container(config)
    assert "does not support volumes of plugin kubernetes.io/nfs: " in caught.value.why


def test_what_the_kubelet_mounts_besides_is_no_volume() -> None:
    own = ["etc-hosts", "containers/main/0bc745d1"]
    refuse_container(
        container(mounts=[mount(f"/home/node/kubelet/pods/0bc7/{path}", "/x") for path in own])
    )
