"""Formulas as MathML, which browsers draw themselves: no script, no fonts, no other server.

The translation is that of docutils, which Sphinx brings.
"""

from typing import Any

from docutils import nodes
from docutils.utils.math import latex2mathml


def draw(self: Any, node: nodes.math | nodes.math_block) -> None:
    """Write a formula into the page, in its line or as a block of its own."""
    block = isinstance(node, nodes.math_block)
    number = node.get("number")
    text = node.astext().strip()
    if block and (r"\\" in text or "&" in text) and r"\begin" not in text:
        text = rf"\begin{{aligned}}{text}\end{{aligned}}"
    mathml = latex2mathml.tex2mathml(text, as_block=block)
    if block:
        self.body.append(self.starttag(node, "div", CLASS="math"))
        self.body.append(f'<span class="eqno">({number})</span>' if number else "")
    self.body.append(mathml)
    if block:
        self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, Any]:
    """Make this the renderer of formulas in pages."""
    app.add_html_math_renderer("mathml", (draw, None), (draw, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
