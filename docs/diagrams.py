"""Draws the diagrams of the pages when the site is built, so that a page asks no other server for a program that does.

A flowchart of Mermaid, as GitHub draws it, with nodes ``Name["Title<br/>text"]`` and arrows ``Name --> Other`` becomes an SVG. Each node
lies above all that it leads to.
"""

from __future__ import annotations

import re
import textwrap
from html import escape
from typing import Any

_FLOWCHART = re.compile(r"```mermaid\nflowchart TD\n(.*?)```", re.S)
_NODE = re.compile(r'^ *(\w+)\["(.*?)(?:<br/>(.*?))?"\]$', re.M)
_ARROW = re.compile(r"^ *(\w+) --> (\w+)$", re.M)

#: Of a box and the room around it, in pixels; the letters of a line.
_WIDTH, _HEIGHT, _ACROSS, _DOWN, _LETTERS = 150, 64, 10, 44, 27


def rows(nodes: list[str], arrows: list[tuple[str, str]]) -> list[list[str]]:
    """The nodes from below to above, each in the lowest row that is above all that it leads to, near those."""
    height: dict[str, int] = {}

    def of(node: str) -> int:
        if node not in height:
            height[node] = 1 + max((of(below) for above, below in arrows if above == node), default=-1)
        return height[node]

    found = [[node for node in nodes if of(node) == level] for level in range(1 + max(of(node) for node in nodes))]
    for _ in range(8):
        for direction in (found[1:], found[-2::-1]):
            for row in direction:
                place = {node: (at + 0.5) / len(other) for other in found for at, node in enumerate(other)}
                beside = {
                    node: [place[b if a == node else a] for a, b in arrows if node in (a, b) and (b if a == node else a) not in row]
                    for node in row
                }
                row.sort(key=lambda node: sum(beside[node]) / len(beside[node]) if beside[node] else place[node])
    return found


def svg(text: str) -> str:
    """The picture of a flowchart."""
    titles = {name: (title, more or "") for name, title, more in _NODE.findall(text)}
    arrows = [(above, below) for above, below in _ARROW.findall(text)]
    found = rows(list(titles), arrows)
    width = max(map(len, found)) * (_WIDTH + _ACROSS)
    place = {
        node: ((at + 0.5) * width / len(row) - _WIDTH / 2, (len(found) - 1 - level) * (_HEIGHT + _DOWN) + 4)
        for level, row in enumerate(found)
        for at, node in enumerate(row)
    }
    lines = []
    for above, below in arrows:
        (x1, y1), (x2, y2) = place[above], place[below]
        x1, y1, x2 = x1 + _WIDTH / 2, y1 + _HEIGHT, x2 + _WIDTH / 2
        curve = f"M{x1:.0f} {y1:.0f}C{x1:.0f} {y1 + _DOWN:.0f} {x2:.0f} {y2 - _DOWN:.0f} {x2:.0f} {y2 - 5:.0f}"
        lines.append(f'<path d="{curve}" marker-end="url(#tip)"/>')
    for node, (x, y) in place.items():
        title, more = titles[node]
        told = textwrap.wrap(more, _LETTERS)
        first = y + _HEIGHT / 2 + 4 - 6 * len(told)
        lines.append(f'<rect x="{x:.0f}" y="{y:.0f}" width="{_WIDTH}" height="{_HEIGHT}" rx="4"/>')
        for number, line in enumerate([title, *told]):
            kind = ' class="title"' if number == 0 else ""
            lines.append(f'<text x="{x + _WIDTH / 2:.0f}" y="{first + 12 * number:.0f}"{kind}>{escape(line)}</text>')
    height = len(found) * (_HEIGHT + _DOWN) - _DOWN + 8
    head = 'viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" orient="auto"'
    tip = f'<defs><marker id="tip" {head}><path d="M0 0L8 4L0 8z"/></marker></defs>'
    return f'<svg class="diagram" role="img" viewBox="0 0 {width:.0f} {height:.0f}">{tip}{"".join(lines)}</svg>'


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs with each page."""
    return _FLOWCHART.sub(lambda found: svg(found[1]), markdown)
