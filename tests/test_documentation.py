"""What every public name of the package says about itself: a docstring, and the shape of every array."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "emotalk"
MODULES = sorted(PACKAGE.rglob("*.py"))
ARRAY = re.compile(r"\b(Tensor|ndarray)\b")
SHAPE = re.compile(r"\[[^\]]*\]|\bscalar\b|\bany shape\b|\bshape\b")
CONTAINER = re.compile(r"^(list|tuple|dict|Iterator|Iterable|Callable|Sequence|Mapping)\b")


def public(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.ClassDef]]:
    """Public functions, classes and methods with their qualified names."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, node
            for member in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(member, ast.FunctionDef) and not member.name.startswith("_"):
                    yield f"{node.name}.{member.name}", member


def arrays_without_shape(node: ast.FunctionDef, source: list[str]) -> list[str]:
    """Arguments that are arrays and whose shape neither their line nor the docstring tells; "return" likewise."""
    doc = ast.get_docstring(node) or ""
    missing = []
    for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
        kind = ast.unparse(argument.annotation) if argument.annotation else ""
        if not ARRAY.search(kind) or CONTAINER.match(kind):
            continue
        line = source[argument.lineno - 1]
        told = "#" in line and SHAPE.search(line.split("#", 1)[1])
        named = re.search(rf"`?\b{argument.arg}\b`?[^.\n]{{0,60}}\[", doc.replace("\n", " "))
        if not told and not named and not (len(node.args.args) <= 2 and SHAPE.search(doc)):
            missing.append(argument.arg)
    result = ast.unparse(node.returns) if node.returns else ""
    if ARRAY.search(result) and not SHAPE.search(doc):
        missing.append("return")
    return missing


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_public_name_says_what_it_is(module):
    text = module.read_text(encoding="utf-8")
    tree, source = ast.parse(text), text.splitlines()
    assert not tree.body or ast.get_docstring(tree), "the module has no docstring"
    silent = [name for name, node in public(tree) if not ast.get_docstring(node)]
    assert not silent, f"no docstring: {', '.join(silent)}"
    shapeless = {
        name: missing
        for name, node in public(tree)
        if isinstance(node, ast.FunctionDef) and (missing := arrays_without_shape(node, source))
    }
    assert not shapeless, f"no shape told: {shapeless}"
