"""The page: one file of HTML that holds its style, its script and its pictures."""

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from smoecast import __version__
from smoecast.tasks.plot.cartography.maps import STAMP
from smoecast.tasks.report.score_tables import MARKS

_FOLDER = Path(__file__).with_name("templates")


def render(content: dict[str, Any]) -> str:
    """Return the page.

    Whatever is not marked as safe is escaped. The policy on content that stands in the page lets a
    browser run this script, use this style and show pictures that are in the page, and nothing
    else: no request leaves it, also where what it shows was made to.

    Parameters
    ----------
    content : dict
        What `page.html` names.
    """
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = (
        (_FOLDER / name).read_text(encoding="utf-8") for name in ("page.css", "page.js")
    )
    return environment.get_template("page.html").render(
        style=Markup(style),  # nosec B704
        script=Markup(script),  # nosec B704
        style_hash=_hash(style),
        script_hash=_hash(script),
        version=__version__,
        stamp=STAMP,
        marks=MARKS,
        **content,
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
