"""The page as anyone opens it: its structure with a parser, and its behaviour in a real browser."""

import base64
import hashlib
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from browser import open_browser
from read_page import Page, read_page


@pytest.fixture(scope="module")
def read(page: Path) -> Page:
    return read_page(page)


def test_every_element_is_closed_and_every_id_is_one_and_every_link_leads_somewhere(
    read: Page,
) -> None:
    ids = [e.attributes["id"] for e in read.elements if "id" in e.attributes]
    assert len(ids) == len({*ids})
    named = [e.attributes[k] for e in read.elements for k in ("aria-labelledby", "for") if k in
             e.attributes]  # fmt: skip
    inner = [e.attributes["href"] for e in read.elements if e.attributes.get("href", "")[:1] == "#"]
    assert {*named, *(target[1:] for target in inner)} <= {*ids}


def test_nothing_is_loaded_and_the_policy_lets_nothing_in(page: Path, read: Page) -> None:
    (policy,) = (
        e.attributes["content"] for e in read.find("meta", http_equiv="Content-Security-Policy")
    )
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    for name in ("style", "script"):
        (one,) = read.find(name)
        digest = base64.b64encode(hashlib.sha256(one.text.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    for e in read.elements:
        assert "style" not in e.attributes
        assert not [name for name in e.attributes if name.startswith("on")]
        assert e.attributes.get("src", "data:image/png").startswith("data:image/png")
    assert not re.search(r"@import|url\((?!#)", page.read_text())


def test_what_is_not_seen_can_be_heard(read: Page) -> None:
    assert all(e.attributes["alt"] for e in read.find("img"))
    charts = [e for e in read.find("svg") if e.attributes.get("class") == "chart"]
    assert charts
    assert all(e.attributes["role"] == "img" and e.attributes["aria-label"] for e in charts)
    for kind in ("select", "input"):
        for e in read.find(kind):
            inside = any(parent.name == "label" for parent in e.parents)
            assert inside or read.find("label", for_=e.attributes["id"])
    (html,) = read.find("html")
    assert html.attributes["lang"] == "en"
    assert [len(read.find(name)) for name in ("main", "header", "footer", "h1")] == [1, 1, 1, 1]
    levels = [int(e.name[1]) for e in read.elements if re.fullmatch("h[1-6]", e.name)]
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_tables_have_headers_that_sort(read: Page) -> None:
    headers = [e for e in read.find("th", scope="col") if "aria-sort" in e.attributes]
    assert {"forecast", "channel", "lead", "RMSE"} <= {e.text for e in headers}
    buttons = [e for e in read.find("button") if e.parents[-1] in headers]
    assert len(buttons) == len(headers)
    assert read.find("th", scope="row")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as found:
        yield found


@pytest.fixture(params=[1280, 390])
def shown(browser: Any, page: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page in a window of a width; afterwards nothing has gone wrong, and nothing was asked."""
    tab = browser.new_page(viewport={"width": request.param, "height": 900})
    tab.set_default_timeout(120_000)  # of a machine that does much else
    wrong: list[str] = []
    asked: list[str] = []
    tab.on("console", lambda message: wrong.append(message.text))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("request", lambda sent: asked.append(sent.url))
    tab.goto(page.as_uri())
    yield tab
    assert wrong == []
    assert [url for url in asked if not url.startswith("data:")] == [page.as_uri()]
    tab.close()


def test_it_fits_the_window(shown: Any) -> None:
    wide, window = shown.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= window


def test_tables_sort_by_click_and_by_key(shown: Any) -> None:
    table = shown.locator(".sortable").first
    header = table.locator("th", has=shown.get_by_role("button", name="RMSE", exact=True)).first
    column = header.evaluate("th => th.cellIndex")
    read = "(t, c) => [...t.querySelectorAll('tbody tr')].map(r => Number(r.cells[c].dataset.sort))"
    before = table.evaluate(read, column)
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert table.evaluate(read, column) == sorted(before)
    header.get_by_role("button").press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    assert table.evaluate(read, column) == sorted(before, reverse=True)


def test_lines_are_chosen_by_value(shown: Any) -> None:
    table = shown.locator(".sortable").first
    table.get_by_role("combobox", name="forecast").select_option("persistence")
    rows = table.locator("tbody tr:visible")
    assert rows.count() > 0
    assert all("persistence" in text for text in rows.all_inner_texts())
    assert table.get_by_role("status").inner_text().startswith(f"{rows.count()} of ")


def test_the_slider_moves_maps_by_the_keyboard(shown: Any) -> None:
    album = shown.locator(".album").first
    slider = album.get_by_role("slider", name="Lead time")
    said, picture = album.locator("output"), album.locator(".block:visible img:visible").first
    before = said.inner_text(), picture.get_attribute("alt")
    slider.focus()
    slider.press("End")
    after = said.inner_text(), picture.get_attribute("alt")
    assert before != after
    assert "24 h" in after[0]
    assert slider.get_attribute("aria-valuetext") == after[0]
    slider.press("Home")
    assert (said.inner_text(), picture.get_attribute("alt")) == before
    wide = picture.evaluate("image => [image.naturalWidth, image.getBoundingClientRect().width]")
    assert min(wide) > 100


def test_one_channel_is_shown_at_a_time(shown: Any) -> None:
    album = shown.locator(".album").first
    album.get_by_label("Channel").select_option(label="z500")
    assert album.locator(".block:visible h4").all_inner_texts() == [
        "Geopotential height at 500 hPa (z500)"
    ]


def test_all_that_acts_is_reached_with_tab_and_is_seen(shown: Any) -> None:
    shown.keyboard.press("Tab")
    assert shown.evaluate("document.activeElement.textContent") == "Skip to the content"
    seen = set()
    for _ in range(40):
        shown.keyboard.press("Tab")
        seen.add(shown.evaluate("document.activeElement.tagName"))
        assert shown.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert {"A", "BUTTON", "SELECT", "DIV"} <= seen


def test_light_and_dark(shown: Any) -> None:
    paint = "getComputedStyle(document.body).backgroundColor"
    button = shown.get_by_role("button", name="Dark")
    assert button.get_attribute("aria-pressed") == "false"
    assert shown.evaluate(paint) == "rgb(255, 255, 255)"
    button.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    assert shown.evaluate(paint) == "rgb(20, 24, 29)"
    shown.emulate_media(color_scheme="dark")
    button.click()
    assert shown.evaluate(paint) == "rgb(255, 255, 255)"


def test_on_paper_it_is_light_and_unfolded(browser: Any, page: Path) -> None:
    tab = browser.new_page(color_scheme="dark")
    tab.goto(page.as_uri())
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    tab.emulate_media(media="print")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not tab.locator("input[type=range]").first.is_visible()
    assert tab.locator("details").first.evaluate("part => part.open")
    assert tab.pdf()[:5] == b"%PDF-"
    tab.close()
