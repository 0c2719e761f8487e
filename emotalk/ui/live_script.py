"""The live face's modules (static/live/*.js) as one module: no build step, no package, one request.

Every file of `static/live` is a plain ES module that a browser runs as it is. Here they follow each other, each after
those that it imports; lines that import and lines that only comment fall away, exports stay. Modules therefore share
one scope: two top-level names that are equal are an error, found when the page starts.
"""

from __future__ import annotations

import functools
import re

from emotalk.ui.theme import STATIC

FOLDER = STATIC / "live"
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z_]+)\.js";$')
_NAME = re.compile(r"^(?:export )?(?:async )?(?:const|let|function|class) (\w+)")


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
            elif not line.lstrip().startswith("//"):
                own.append(line)
        for line in own:
            if (found := _NAME.match(line)) and owners.setdefault(found[1], name) != name:
                raise ValueError(f"{name}.js and {owners[found[1]]}.js both have a {found[1]}; rename one.")
        done.append(name)
        lines.extend(own)

    add(first, ())
    return "\n".join(lines) + "\n"
