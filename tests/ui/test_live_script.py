"""Many small modules become the one that the page loads."""

from __future__ import annotations

import gzip
import re

import pytest

from emotalk.ui import live_script as module
from emotalk.ui.live_script import live_script

LARGEST = 30_000


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Makes modules of a text each in place of the real ones."""
    monkeypatch.setattr(module, "FOLDER", tmp_path)

    def make(**texts: str) -> str:
        for name, text in texts.items():
            (tmp_path / f"{name}.js").write_text(text)
        return live_script.__wrapped__("face")

    return make


@pytest.mark.parametrize(("first", "holds"), [("face", "LiveFace"), ("living", "Living"), ("dialogue", "Dialogue")])
def test_all_of_it_is_small(first, holds):
    script = live_script(first)
    assert len(gzip.compress(script.encode(), 9)) <= LARGEST
    assert f"export class {holds}{{" in script


def test_a_conversation_is_loaded_beside_the_face_and_brings_nothing_of_it_again():
    classes = [
        set(re.findall(r"^(?:export )?class (\w+)", live_script(name), re.MULTILINE)) for name in ("living", "dialogue")
    ]
    assert classes[0] >= {"Living", "Microphone"}
    assert classes[1] >= {"Dialogue", "Ear", "VoiceActivity"}
    assert not classes[0] & classes[1]


def test_nothing_is_imported_or_fetched_from_elsewhere():
    script = live_script()
    assert not re.search(r"^\s*import\b|import\(|https?://|\bfetch\(|eval\(", script, re.MULTILINE)


def test_a_module_comes_after_those_it_imports_and_only_once(modules):
    face = 'import { a } from "./one.js";\nimport { b } from "./two.js";\nexport const c = a + b;\n'
    two = 'import { a } from "./one.js";\n// why\nexport const b = a;\n'
    script = modules(face=face, one="export const a = 1; // one\n", two=two)
    assert script == "export const a=1;\nexport const b=a;\nexport const c=a + b;\n"


def test_two_modules_may_not_share_a_name(modules):
    with pytest.raises(ValueError, match=r"face\.js and one\.js both have a size"):
        modules(
            face='import { a } from "./one.js";\nfunction size() {}\n', one="const size = 1;\nexport const a = size;\n"
        )


def test_a_circle_is_named(modules):
    with pytest.raises(ValueError, match="face -> one -> face"):
        modules(face='import { a } from "./one.js";\n', one='import { c } from "./face.js";\n')


def test_an_import_that_is_not_understood_is_refused(modules):
    with pytest.raises(ValueError, match="one line"):
        modules(face='import * as all from "./one.js";\n')
