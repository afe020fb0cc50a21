"""Charts of matplotlib as SVG inside a page: small, in its colours, light or dark, and harmless.

The page allows no style in its elements (its policy on content), so that what styles said becomes
attributes. Black and the colours of lines become the page's own, which change with its theme.
"""

import hashlib
import io
import re
import xml.etree.ElementTree as ET  # nosec B405
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

from smoecast.tasks.plot.figures import PALETTE

_SVG, _LINK = "http://www.w3.org/2000/svg", "{http://www.w3.org/1999/xlink}href"
_KEPT = ("svg", "g", "defs", "path", "use", "clipPath", "rect", "text", "tspan")
"""Elements that are taken over; others, such as metadata, are not."""
_ATTRIBUTES = (
    *("d", "x", "y", "width", "height", "transform", "viewBox", "clip-path", "id", "clip-rule"),
    *("fill", "fill-opacity", "opacity", "stroke", "stroke-dasharray", "stroke-dashoffset"),
    *("stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "stroke-opacity", "stroke-width"),
    *("text-anchor", "font-size", "font-weight", "href"),
)
_COLOURS = {
    "#000000": "currentColor",
    "#ffffff": "var(--paper)",
    "#e4e4e4": "var(--grid)",
    "#f0f0f0": "var(--shade)",
    "#555555": "var(--soft)",
    "#666666": "var(--soft)",
    **{colour.lower(): f"var(--line-{n})" for n, colour in enumerate(PALETTE[:7])},
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "smoecast",  # the same data gives the same page
    "text.parse_math": False,  # names come from files and are no formulas
    "font.size": 11.0,
}
_FRACTION, _FONT = re.compile(r"-?\d+\.\d{3,}"), re.compile(r"(?:(\d+|bold) )?([\d.]+)px")


@contextmanager
def svg_style() -> Iterator[None]:
    """Have figures that are made within be as the page wants them."""
    with mpl.rc_context(_STYLE):
        yield


def page_colour(colour: str) -> str:
    """Return what a colour of a figure is on the page, where it changes with the theme."""
    return _COLOURS.get(colour.lower(), colour)


def to_svg(figure: Figure, label: str, place: str = "") -> Markup:
    """Return a figure as an element ``svg``.

    Parameters
    ----------
    figure : Figure
        Made and drawn within `svg_style`.
    label : str
        What is read to those who do not see it.
    place : str
        Where it stands, for one that may stand on the page twice: ids of its own come of it.
    """
    written = io.BytesIO()
    figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    root = ET.fromstring(written.getvalue())  # nosec B314
    # no other chart on the page has ids that begin so
    known = (place + label).encode() + written.getvalue()
    prefix = f"c{hashlib.sha256(known).hexdigest()[:8]}"
    used = re.findall(rb'(?:href="|url\()#([^")]+)', written.getvalue())
    ids = {name.decode(): f"{prefix}-{n}" for n, name in enumerate(dict.fromkeys(used))}
    clean = _clean(root, ids)
    for name in ("width", "height"):
        clean.attrib.pop(name, None)
    clean.attrib |= {"class": "chart", "role": "img", "aria-label": label}
    return Markup(ET.tostring(clean, encoding="unicode").replace("\n", ""))  # nosec B704


def _clean(element: ET.Element, ids: dict[str, str]) -> ET.Element:
    """Return a copy with what is known alone, and with the ids that are used."""
    said = dict(element.attrib)
    for part in said.pop("style", "").split(";"):
        name, _, value = part.partition(":")
        said[name.strip()] = value.strip()
    if font := _FONT.search(said.pop("font", "")):
        said["font-size"] = font[2]
        if font[1] in ("bold", "700"):
            said["font-weight"] = "bold"
    said["href"] = said.pop(_LINK, "")
    found = {}
    for name in _ATTRIBUTES:
        value = said.get(name, "")
        if name == "id":
            value = ids.get(value, "")
        elif "#" in value and name in ("href", "clip-path"):
            value = re.sub(r"#([^)]+)", lambda m: f"#{ids[m[1]]}", value)
        elif name in ("fill", "stroke"):
            value = page_colour(value)
        elif name in ("d", "transform", "x", "y", "width", "height", "stroke-width"):
            value = _FRACTION.sub(lambda m: f"{round(float(m[0]), 2):g}", " ".join(value.split()))
        if value:
            found[name] = value
    kind = element.tag.rpartition("}")[2]
    if kind == "text" and "fill" not in found:
        found["fill"] = "currentColor"
    clean = ET.Element(kind, found)
    if kind == "svg":
        clean.set("xmlns", _SVG)
    clean.text = element.text if kind in ("text", "tspan") else None
    clean.extend(
        _clean(inner, ids) for inner in element if str(inner.tag).rpartition("}")[2] in _KEPT
    )
    return clean
