"""The import graph knows every package and every import, and no arrow points upwards."""

import xml.etree.ElementTree as ET
from pathlib import Path

from scripts.import_graph import ROOT, import_graph, layers, picture, table, upward


def test_every_package_is_in_one_layer_and_none_imports_upwards():
    graph, rows = import_graph(), layers()
    there = {
        path.stem for path in (ROOT / "emotalk").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert graph.packages == there - {"__init__"}
    assert sorted(name for row in rows for name in row) == sorted(graph.packages)
    assert upward(graph, rows) == []


def test_imports_count_wherever_they_stand(tmp_path: Path):
    for name, text in {
        "low/a.py": "import os\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from emotalk.high import b\n",
        "high/b.py": "import emotalk.low.a\nfrom emotalk import low\nfrom ..low import a\nfrom . import c\n"
        "def later():\n    from emotalk.low.a import x\n",
        "high/c.py": "from emotalk.high import b\n",
    }.items():
        path = tmp_path / "emotalk" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    graph = import_graph(tmp_path)
    assert dict(graph.running) == {("high", "low"): 4}
    assert dict(graph.typing_only) == {("low", "high"): 1}
    assert upward(graph, [["high"], ["low"]]) == [("low", "high")]


def test_table_and_picture_show_every_package_and_every_import():
    graph, rows = import_graph(), layers()
    lines = table(graph, rows).splitlines()[2:]
    assert [line.split("|")[1].strip() for line in lines] == [name for row in rows for name in row]
    drawn = ET.fromstring(picture(graph, rows))
    tag = "{http://www.w3.org/2000/svg}"
    assert {text.text for text in drawn.iter(f"{tag}text")} == graph.packages
    arrows = list(drawn.iter(f"{tag}line"))
    assert len(arrows) == len(graph.running | graph.typing_only)
    assert all(float(arrow.get("y1")) < float(arrow.get("y2")) for arrow in arrows)
