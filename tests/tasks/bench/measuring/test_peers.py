"""Which peers are here."""

import pytest

from smoecast.tasks.bench.measuring import peers


def test_a_package_has_a_version_and_a_program_that_is_absent_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    assert peers.is_installed("scipy")
    assert not peers.is_installed("cdo")
    assert {*peers.versions(["scipy", "cdo", ""])} == {"scipy"}
    monkeypatch.setitem(peers.PEERS, "no-such-package", [])
    assert not peers.is_installed("no-such-package")


def test_a_program_says_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(peers.PEERS, "curl", ["git", "--version"])
    assert peers.version_of("curl")[0].isdigit()
    monkeypatch.setitem(peers.PEERS, "curl", ["true"])
    assert peers.version_of("curl") == "unknown"


def test_a_module_is_loaded_by_name() -> None:
    assert peers.load("math").pi > 3
