"""Where a server may lead, and what of ours it gets to see there."""

from typing import Any

import pytest
import requests
from loopback import Shelf, serving
from requests.adapters import BaseAdapter

from smoecast.data.download.http import ask
from smoecast.errors import InputError


class Servers(BaseAdapter):
    """Answers for every address: a redirect where one is planned, else a body; notes who asked."""

    def __init__(self, leads: dict[str, str]) -> None:
        super().__init__()
        self.leads = leads
        self.asked: list[tuple[str, str | None]] = []

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        assert request.url is not None
        self.asked.append((request.url, request.headers.get("Authorization")))
        response = requests.Response()
        response.request, response.url = request, request.url
        response.status_code = 302 if request.url in self.leads else 200
        response.headers["Location"] = self.leads.get(request.url, "")
        response.raw = type("Body", (), {"read": lambda *_: b"", "close": lambda _: None})()
        return response

    def close(self) -> None:
        pass


def session_of(leads: dict[str, str]) -> tuple[requests.Session, Servers]:
    session, servers = requests.Session(), Servers(leads)
    for scheme in ("http://", "https://"):
        session.mount(scheme, servers)
    return session, servers


@pytest.fixture(autouse=True)
def netrc(tmp_path, monkeypatch):
    path = tmp_path / "netrc"
    path.write_text("machine here login me password secret\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))


@pytest.mark.parametrize("to", ["http://here/b", "http://there/b", "//here/b", "b"])
def test_nobody_is_led_from_https_to_http(to):
    session, servers = session_of({"https://here/a": to})
    if not to.startswith("http:"):
        assert ask(session, "https://here/a", {}, 1.0, InputError).url == "https://here/b"
        return
    with pytest.raises(InputError, match="https://here/a: the server leads to an address without"):
        ask(session, "https://here/a", {}, 1.0, InputError)
    assert [url for url, _ in servers.asked] == ["https://here/a"]


def test_the_second_step_is_looked_at_too():
    session, servers = session_of(
        {"http://here/a": "https://here/a", "https://here/a": "http://here/b"}
    )
    with pytest.raises(InputError, match="without encryption"):
        ask(session, "http://here/a", {}, 1.0, InputError)
    assert len(servers.asked) == 2


def test_another_host_does_not_get_the_password():
    session, servers = session_of({"https://here/a": "https://there/b"})
    ask(session, "https://here/a", {}, 1.0, InputError)
    (_, mine), (_, theirs) = servers.asked
    assert mine is not None
    assert theirs is None


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://there/b", "http://["])
def test_what_is_no_address_of_a_server_is_not_followed(to):
    with (
        serving(Shelf(statuses={"/a": [(302, {"Location": to})]})) as shelf,
        requests.Session() as session,
        pytest.raises(InputError, match="leads nowhere"),
    ):
        ask(session, f"{shelf.address}/a", {}, 5.0, InputError)


def test_a_ring_ends():
    leads = {"https://here/a": "https://here/b", "https://here/b": "https://here/a"}
    session, _ = session_of(leads)
    with pytest.raises(InputError, match="leads nowhere"):
        ask(session, "https://here/a", {}, 1.0, InputError)
