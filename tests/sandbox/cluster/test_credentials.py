"""Each part is somebody, with rights of its own."""

from __future__ import annotations

from multiprocessing import get_context
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID
from lightkube import KubeConfig

from sandbox.cluster.credentials import ensure_credentials
from sandbox.cluster.layout import Identity, Layout
from sandbox.settings import Settings


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(Settings(home=tmp_path, subnet="127.142.0.0/16"))


def _files(layout: Layout) -> dict[Path, bytes]:
    paths = [p for p in layout.settings.home.rglob("*") if p.is_file() and p.name != "lock"]
    return {path: path.read_bytes() for path in paths}


def _server(kubeconfig: Path) -> str:
    config = KubeConfig.from_file(kubeconfig).get()
    assert config is not None
    return config.cluster.server


def test_every_identity_has_a_kubeconfig_of_its_own(layout: Layout) -> None:
    ensure_credentials(layout)
    users = set()
    for identity in Identity:
        path = layout.kubeconfig(identity)
        document = yaml.safe_load(path.read_text())
        users.add(document["users"][0]["name"])
        assert document["current-context"] == "sandbox"
        assert _server(path) == "https://127.142.0.1:6443"
        assert path.stat().st_mode & 0o777 == 0o600
    assert users == {identity.common_name for identity in Identity}
    assert layout.kubeconfig(Identity.ADMIN) == layout.settings.kubeconfig


def test_only_the_administrator_and_the_kubelets_client_are_masters(layout: Layout) -> None:
    ensure_credentials(layout)
    masters = set()
    for pair in layout.certificates.glob("*.pem"):
        subject = x509.load_pem_x509_certificate(pair.read_bytes()).subject
        groups = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        if any(group.value == "system:masters" for group in groups):
            masters.add(pair.stem)
    assert masters == {"admin", "kubelet-client"}


def test_a_second_run_changes_nothing(layout: Layout) -> None:
    ensure_credentials(layout)
    before = _files(layout)
    ensure_credentials(layout)
    assert _files(layout) == before


def test_a_lost_file_is_made_again_without_touching_the_authority(layout: Layout) -> None:
    ensure_credentials(layout)
    before = _files(layout)
    layout.pair("node").unlink()
    layout.kubeconfig(Identity.SCHEDULER).unlink()
    ensure_credentials(layout)
    after = _files(layout)
    changed = {path.name for path in after if after[path] != before[path]}
    assert changed == {"node.pem", "node.kubeconfig"}


def test_another_subnet_gets_certificates_for_its_addresses(layout: Layout) -> None:
    ensure_credentials(layout)
    authority = layout.authority.read_bytes()
    moved = Layout(Settings(home=layout.settings.home, subnet="127.143.0.0/16"))
    ensure_credentials(moved)
    certificate = x509.load_pem_x509_certificate(moved.kubelet_pair.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.143.0.3"]
    assert _server(moved.settings.kubeconfig) == "https://127.143.0.1:6443"
    assert layout.authority.read_bytes() == authority


def _ensure(home: Path) -> None:
    ensure_credentials(Layout(Settings(home=home, subnet="127.142.0.0/16")))


def test_two_runs_at_once_agree(tmp_path: Path, layout: Layout) -> None:
    runs = [get_context("spawn").Process(target=_ensure, args=(tmp_path,)) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(60)
        assert run.exitcode == 0
    before = _files(layout)
    ensure_credentials(layout)
    assert _files(layout) == before
