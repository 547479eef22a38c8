"""A lineage as a page of its own, drawn: steps and artifacts, from left to right."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from .lineage import Lineage

_WIDTH, _HEIGHT, _COLUMN, _ROW, _MARGIN = 170, 38, 210, 54, 10
_LONGEST: Final = 24
"""Characters that fit into a box."""


@dataclass(frozen=True)
class Box:
    """A step or an artifact in the picture."""

    kind: str
    title: str
    subtitle: str
    about: str
    x: int
    y: int


def page(lineage: Lineage, title: str) -> str:
    """Draw a lineage as HTML that needs nothing else."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
    )
    edges = _edges(lineage)
    boxes = _boxes(lineage, edges)
    lines = [_line(boxes[start], boxes[end]) for start, end in edges]
    return environment.get_template("lineage.html").render(
        lineage=lineage,
        title=title,
        boxes=boxes.values(),
        lines=lines,
        box_width=_WIDTH,
        box_height=_HEIGHT,
        width=max(box.x for box in boxes.values()) + _WIDTH + _MARGIN,
        height=max(box.y for box in boxes.values()) + _HEIGHT + _MARGIN,
    )


def _edges(lineage: Lineage) -> list[tuple[str, str]]:
    """From each artifact to who has read it, and from each step to what it has made."""
    edges: dict[tuple[str, str], None] = {}
    for made in (*lineage.behind, *lineage.beyond):
        for uris in made.inputs.values():
            edges.update({(uri, str(made.id)): None for uri in uris})
        for uris in made.outputs.values():
            edges.update({(str(made.id), uri): None for uri in uris})
    read = {start for start, _ in edges}
    leaf_of_behind = {uri for one in lineage.behind[:-1] for x in one.outputs.values() for uri in x}
    return [(a, b) for a, b in edges if b in read or b not in leaf_of_behind]


def _boxes(lineage: Lineage, edges: list[tuple[str, str]]) -> dict[str, Box]:
    before: dict[str, list[str]] = defaultdict(list)
    for start, end in edges:
        before[end].append(start)

    @cache
    def column(node: str) -> int:
        return max((column(one) + 1 for one in before[node]), default=0)

    steps = {str(one.id): one for one in (*lineage.behind, *lineage.beyond)}
    rows: dict[int, int] = defaultdict(int)
    boxes: dict[str, Box] = {}
    for node in dict.fromkeys(node for edge in edges for node in edge):
        x, y = _MARGIN + column(node) * _COLUMN, _MARGIN + rows[column(node)] * _ROW
        rows[column(node)] += 1
        if node in steps:
            step = steps[node]
            kind, title, subtitle, about = "step", step.task, step.program, step.run
        else:
            facts = lineage.artifacts.get(node, {})
            kind = "subject" if node == lineage.artifact else "artifact"
            title, about = str(facts.get("name") or Path(node).name), node
            subtitle = str(facts.get("digest") or "")[:12]
        boxes[node] = Box(kind, title[:_LONGEST], subtitle[:_LONGEST], about, x, y)
    return boxes


def _line(start: Box, end: Box) -> str:
    x1, y1, x2, y2 = start.x + _WIDTH, start.y + _HEIGHT // 2, end.x, end.y + _HEIGHT // 2
    middle = (x1 + x2) // 2
    return f"M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}"
