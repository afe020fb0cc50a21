"""Files of credentials that others can read are named once, with the mend."""

from pathlib import Path

import pytest
import requests
from loopback import Shelf, serving

from smoecast.data.download import credentials
from smoecast.data.download.credentials import warn_of_netrc, warn_of_readers
from smoecast.data.download.http import ask
from smoecast.errors import InputError


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "_told", set())


def secret(folder: Path, mode: int, name: str = "key") -> Path:
    path = folder / name
    path.write_text("machine 127.0.0.1 login me password the-secret\n")
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o602, 0o610, 0o777])
def test_a_file_open_to_others_is_named_once(tmp_path, capsys, mode):
    path = secret(tmp_path, mode, "my key")
    for _ in range(3):
        warn_of_readers(path)
    err = capsys.readouterr().err
    assert err == (
        f"warning: {path} holds credentials and is open to others (mode {mode:o}): "
        f"chmod 600 '{path}'\n"
    )


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_of_its_owner_alone_is_no_matter(tmp_path, capsys, mode):
    warn_of_readers(secret(tmp_path, mode))
    warn_of_readers(tmp_path / "none")
    assert capsys.readouterr().err == ""


def test_a_link_is_as_open_as_what_it_leads_to(tmp_path, capsys):
    link = tmp_path / "link"
    link.symlink_to(secret(tmp_path, 0o600))
    warn_of_readers(link)
    assert capsys.readouterr().err == ""


def test_of_a_netrc_only_when_its_password_is_used(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("NETRC", str(secret(tmp_path, 0o644)))
    warn_of_netrc("https://elsewhere/file")
    assert capsys.readouterr().err == ""
    warn_of_netrc("https://127.0.0.1/file")
    err = capsys.readouterr().err
    assert err.endswith(f"chmod 600 {tmp_path / 'key'}\n")
    assert "the-secret" not in err


def test_the_netrc_at_home(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    warn_of_netrc("https://127.0.0.1/file")
    secret(tmp_path, 0o644, "_netrc")
    warn_of_netrc("https://127.0.0.1/file")
    secret(tmp_path, 0o600, ".netrc")
    warn_of_netrc("https://127.0.0.1/file")
    assert capsys.readouterr().err.count("warning") == 1


def test_whoever_asks_with_a_password_is_warned(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("NETRC", str(secret(tmp_path, 0o644)))
    with serving(Shelf()) as shelf, requests.Session() as session:
        with pytest.raises(InputError, match="no such file"):
            ask(session, f"{shelf.address}/a", {}, 5.0, InputError)
        assert "Authorization" in shelf.asked[0][1]
    assert "chmod 600" in capsys.readouterr().err
