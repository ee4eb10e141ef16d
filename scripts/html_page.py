"""Reads where the links of an HTML page lead, and which files the page loads."""

import re
from html.parser import HTMLParser

#: Attributes with the address of a file that is loaded, whatever the element.
LOADED = ("src", "poster", "background")
#: `rel` of a `link` that only says what another page is.
NOT_LOADED = {"alternate", "author", "canonical", "help", "license", "next", "prev", "search"}
STYLE = re.compile(r"""url\(\s*["']?([^"')\s]+)|@import\s+["']([^"']+)""")


def style_loads(text):
    """The addresses that CSS loads, without those in comments.

    >>> style_loads("a { background: url('b.png') } /* url(c) */ @import 'd.css';")
    ['b.png', 'd.css']
    """
    return [found[1] or found[2] for found in STYLE.finditer(re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL))]


class Page(HTMLParser):
    """The anchors of a page, its links, and what it loads.

    >>> def loads(text):
    ...     return Page(text).loaded
    >>> loads('<link rel="shortcut icon" href="a"><link rel="modulepreload" href="b"><link rel="next" href="c">')
    ['a', 'b']
    >>> loads('<iframe src="a"></iframe><video poster="b"><source src="c"></video><object data="d">')
    ['a', 'b', 'c', 'd']
    >>> loads('<img srcset="a 1x, b 2x" src="c"><link rel="preload" imagesrcset="d 9w" href="e">')
    ['c', 'a', 'b', 'd', 'e']
    >>> loads('<svg><image xlink:href="a"/><use href="#b"/></svg><p style="background: url(c)"><style>@import "d";</style>')
    ['a', '#b', 'c', 'd']
    >>> Page('<p id="a"><a href="b">').links
    ['b']
    """

    def __init__(self, text):
        super().__init__()
        self.anchors, self.links, self.loaded, self.raw = {""}, [], [], False
        self.in_style = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = {name: value for name, value in attributes if value}
        self.in_style = tag == "style"
        self.anchors.update(values[name] for name in ("id", "name") if name in values)
        if tag in ("a", "area") and "href" in values:
            self.links.append(values["href"])
        self.loaded += [values[name] for name in LOADED if name in values]
        for name in ("srcset", "imagesrcset"):
            self.loaded += [part.split()[0] for part in values.get(name, "").split(",") if part.strip()]
        if tag == "object" and "data" in values:
            self.loaded.append(values["data"])
        if tag == "link" and "href" in values and not set(values.get("rel", "").lower().split()) <= NOT_LOADED:
            self.loaded.append(values["href"])
        if tag in ("image", "use"):
            self.loaded += [values[name] for name in ("href", "xlink:href") if name in values]
        self.loaded += style_loads(values.get("style", ""))

    def handle_data(self, text):
        self.raw = self.raw or "```" in text
        if self.in_style:
            self.loaded += style_loads(text)

    def handle_endtag(self, tag):
        self.in_style = False
