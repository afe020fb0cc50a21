"""The pages of the site that are made from the code, made once."""

import pages

PAGES = pages.make_pages()
"""Text of each page, by its path in docs."""
