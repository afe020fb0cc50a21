"""How the documentation is built: `make docs`, or `sphinx-build -W docs docs/_build`."""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS.parent), str(DOCS / "_ext")]

from smoecast import __version__  # noqa: E402  # found by the line before

project = "smoecast"
author = "The smoecast developers"
copyright = "the smoecast developers, Apache-2.0"  # noqa: A001  # Sphinx asks for this name
release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "mathml", "pages"]
exclude_patterns = ["_build", "_ext"]

# every link inside the site is checked; what belongs to other packages is named, not linked
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!smoecast\.).*")]
suppress_warnings: list[str] = []

myst_enable_extensions = ["dollarmath", "deflist", "fieldlist"]
myst_heading_anchors = 4
html_math_renderer = "mathml"
highlight_language = "none"
smartquotes = False  # they would make a dash of the two of an option

autodoc_member_order = "bysource"
autodoc_typehints = "description"
napoleon_google_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = "smoecast"
html_static_path = ["_static"]
html_css_files = ["smoecast.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5c8a", "color-brand-content": "#0b5c8a"},
    "dark_css_variables": {"color-brand-primary": "#7cc4f0", "color-brand-content": "#7cc4f0"},
}
