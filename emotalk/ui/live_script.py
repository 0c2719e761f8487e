"""The live face's modules (static/live/*.js) as one module: no build step, no package, one request.

Every file of `static/live` is a plain ES module that a browser runs as it is. Here they follow each other, each after
those that it imports; lines that import, comments and indentation fall away, exports stay. Modules therefore share
one scope: two top-level names that are equal are an error, found when the page starts.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

FOLDER = Path(__file__).parent / "static" / "live"
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z_]+)\.js";$')
_NAME = re.compile(r"^(?:export )?(?:async )?(?:const|let|function|class) (\w+)")
_MORE_NAMES = re.compile(r", (\w+) = ")
_QUOTED = re.compile(r"""("(?:\\.|[^"\\])*"|`[^`]*`)""")
_AROUND = re.compile(r" ?([=,;{}():?<>*]|&&|\|\||=>) ?")


def _code(line: str) -> str:
    """A line without indentation, comment and the spaces that only eyes need. What stands in quotes stays as it is."""
    code, mark, _ = line.partition(" // ")
    quoted = any(code.count(quote) % 2 for quote in "\"'`")
    code = (line if mark and quoted else code).strip()
    if code.startswith(("//", "#")):  # a comment; a shader's directive
        return code if code.startswith("#") else ""
    parts = _QUOTED.split(code)
    parts[::2] = [_AROUND.sub(r"\1", part) for part in parts[::2]]
    return "".join(parts)


def _names(line: str) -> list[str]:
    """The top-level names that a line declares."""
    found = _NAME.match(line)
    if not found:
        return []
    return [found[1], *(_MORE_NAMES.findall(line) if found[0].split()[-2] in ("const", "let") else ())]


@functools.cache
def live_script(first: str = "face") -> str:
    """The text of one ES module that exports all that `static/live/<first>.js` and what it imports export.

    Raises ValueError where modules import each other in a circle, share a top-level name or import in a way that this
    does not read.
    """
    done: list[str] = []
    owners: dict[str, str] = {}
    lines: list[str] = []

    def add(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ValueError(f"{' -> '.join((*above, name))}: live modules may not import each other in a circle.")
        if name in done:
            return
        own = []
        for line in (FOLDER / f"{name}.js").read_text(encoding="utf-8").splitlines():
            if line.startswith("import"):
                found = _IMPORT.match(line)
                if found is None:
                    raise ValueError(
                        f'{name}.js: an import is one line, import {{ x }} from "./y.js"; found {line!r:.80}'
                    )
                add(found[1], (*above, name))
                continue
            for top in _names(line):
                if owners.setdefault(top, name) != name:
                    raise ValueError(f"{name}.js and {owners[top]}.js both have a {top}; rename one.")
            if code := _code(line):
                own.append(code)
        done.append(name)
        lines.extend(own)

    add(first, ())
    return "\n".join(lines) + "\n"
