"""Which package of emotalk imports which: a Markdown table on standard output, a picture in docs/images.

    python -m scripts.import_graph [--picture docs/images/import-graph.svg]

Every import statement counts, inside functions too; those that only type checkers see (`if TYPE_CHECKING:`) are counted
apart. The rows of the picture are the layers of the contract in pyproject.toml, so every arrow points downwards.
"""

from __future__ import annotations

import argparse
import ast
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "import-graph.svg"
_WIDTH, _ROW, _BOX, _HEIGHT = 900, 62, 130, 30  # pixels: picture, distance of rows, size of a box


@dataclass
class Graph:
    """How many import statements lead from one package to another, {(from, to): count}."""

    running: Counter[tuple[str, str]] = field(default_factory=Counter)
    typing_only: Counter[tuple[str, str]] = field(default_factory=Counter)
    packages: set[str] = field(default_factory=set)


def layers(root: Path = ROOT) -> list[list[str]]:
    """The contract's layers, highest first; packages of one row do not import each other."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = settings["tool"]["importlinter"]["contracts"]
    return [[name.strip() for name in row.split("|")] for row in contract["layers"]]


def import_graph(root: Path = ROOT) -> Graph:
    """The imports of every file below `root`/emotalk; what lies in emotalk/ itself (cli) counts as a package."""
    graph, top = Graph(), root / "emotalk"
    files = {file: file.relative_to(top).with_suffix("").parts for file in sorted(top.rglob("*.py"))}
    graph.packages = {parts[0] for parts in files.values()} - {"__init__"}
    for file, parts in files.items():
        for name, typing_only in _imports(ast.parse(file.read_text(encoding="utf-8")), ("emotalk", *parts[:-1])):
            if {name, parts[0]} <= graph.packages and name != parts[0]:  # `emotalk.__version__` is no package
                (graph.typing_only if typing_only else graph.running)[parts[0], name] += 1
    return graph


def _imports(node: ast.AST, package: tuple[str, ...], typing_only: bool = False) -> Iterator[tuple[str, bool]]:
    """Package of emotalk and whether only type checkers see it, for every import statement below a node."""
    if isinstance(node, ast.Import):
        targets = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        start = list(package[: len(package) - node.level + 1]) if node.level else []
        module = ".".join(start + ([node.module] if node.module else []))
        targets = [f"emotalk.{alias.name}" for alias in node.names] if module == "emotalk" else [module]
    else:
        for child in ast.iter_child_nodes(node):
            hidden = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and child in node.body
            yield from _imports(child, package, typing_only or hidden)
        return
    for name in sorted({target.split(".")[1] for target in targets if target.startswith("emotalk.")}):
        yield name, typing_only


def upward(graph: Graph, rows: list[list[str]]) -> list[tuple[str, str]]:
    """Imports that do not lead to a lower row."""
    level = {name: index for index, row in enumerate(rows) for name in row}
    return sorted(edge for edge in graph.running | graph.typing_only if level[edge[0]] >= level[edge[1]])


def table(graph: Graph, rows: list[list[str]]) -> str:
    """Markdown: one line for each package, highest layer first."""
    order = [name for row in rows for name in row]
    lines = ["| package | imports (statements; + those for type checkers only) |", "|---|---|"]
    for package in order:
        cells = []
        for name in order:
            running, typing = graph.running[package, name], graph.typing_only[package, name]
            if running or typing:
                cells.append(f"{name} {running}" + (f"+{typing}" if typing else ""))
        lines.append(f"| {package} | {', '.join(cells) or 'nothing'} |")
    return "\n".join(lines)


def picture(graph: Graph, rows: list[list[str]]) -> str:
    """SVG: layers as rows, an arrow for every import, the thicker the more statements."""
    place = {}
    for y, row in enumerate(rows):
        for x, name in enumerate(row):
            # Rows of one box alternate left and right of the middle, or arrows between them would lie on each other.
            shift = 190 * (1, -1, 0)[y % 3] if len(row) == 1 else 0
            place[name] = (_WIDTH * (x + 1) / (len(row) + 1) + shift, 30 + _ROW * y)
    height = 60 + _ROW * (len(rows) - 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif">',
        '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"'
        ' markerUnits="userSpaceOnUse"><path d="M0 0L8 4L0 8z" fill="#5b6b7b"/></marker>',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
    ]
    for (source, target), count in sorted((graph.running + graph.typing_only).items()):
        (x1, y1), (x2, y2) = place[source], place[target]
        parts.append(
            f'<line x1="{x1:.0f}" y1="{y1 + _HEIGHT / 2:.0f}" x2="{x2:.0f}" y2="{y2 - _HEIGHT / 2:.0f}"'
            f' stroke="#5b6b7b" stroke-opacity="0.45" stroke-width="{0.7 + count**0.5 / 3:.1f}"'
            ' marker-end="url(#tip)"/>'
        )
    for name, (x, y) in place.items():
        parts.append(
            f'<rect x="{x - _BOX / 2:.0f}" y="{y - _HEIGHT / 2:.0f}" width="{_BOX}" height="{_HEIGHT}" rx="6"'
            f' fill="#e8f0f8" stroke="#34495e"/><text x="{x:.0f}" y="{y + 5:.0f}" font-size="14"'
            f' text-anchor="middle">{name}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, default=PICTURE)
    chosen = parser.parse_args()
    graph, rows = import_graph(), layers()
    print(table(graph, rows))
    chosen.picture.write_text(picture(graph, rows), encoding="utf-8")


if __name__ == "__main__":
    main()
