"""Whatever is posted to whichever handler: an answer in words, nothing of the server in it, no traceback in its log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.hostile.parameters import BEGIN, BODIES, FEW, FURTHER, GENERATE, PORTRAIT, STILL, TALK, VALUES, Value
from tests.hostile.running import OpenPage
from tests.hostile.visitor import PREFIX, Raw

pytestmark = pytest.mark.slow
HANDLERS = {
    "still": (STILL, VALUES), "sheet": (STILL, FEW), "generate": (GENERATE, FEW), "begin": (BEGIN, FEW),
    "begin_portrait": (PORTRAIT, FEW), "begin_further": (FURTHER, FEW),
}  # fmt: skip
"""The page's own handlers by name: valid arguments, and what is put in the place of each."""
SPOKEN = {"generate": (2, 3, 4), "talk": (0, 1, 6)}
"""Arguments that are used when something is spoken (text, voice, sound). Beside the others there is nothing to say: a
value that is taken after all ends in that sentence, not in a talk."""
ARGUMENTS = [(name, at) for name, (values, _) in HANDLERS.items() for at in range(len(values))]
DARK = [2, 3, 4, 5, 6, 8, 10]
"""Arguments of the sheet of moods that the still has too, in the same hands: one handler is enough for them."""


@pytest.mark.parametrize(("name", "at"), [pair for pair in ARGUMENTS if pair[0] != "sheet" or pair[1] not in DARK])
def test_an_odd_argument_of_the_page_is_answered_in_words(page: OpenPage, door, name: str, at: int) -> None:
    valid, values = HANDLERS[name]
    if name == "generate" and at not in SPOKEN[name]:
        valid = [*valid[:2], "", *valid[3:]]
    if name == "generate" and at == 4:
        valid = [valid[0], "Audio", "", *valid[3:]]
    visitor, knocks, wrong = page.visitor(), door.knocks, []
    for value in values:
        odd = value.filled(page.secret, page.door)
        answer = visitor.call(name, [*valid[:at], odd, *valid[at + 1 :]])
        wrong += told(value, page.problems(answer, *parts(odd)))
    assert not wrong, "\n".join(wrong)
    assert door.knocks == knocks, "the server fetched an address"


@pytest.mark.parametrize("endpoint", ["talk", "stream"])
@pytest.mark.parametrize("at", range(len(TALK)))
def test_an_odd_argument_of_the_documented_endpoint_is_answered_in_words(
    page: OpenPage, door, at: int, endpoint: str
) -> None:
    visitor, knocks, wrong = page.visitor(), door.knocks, []
    valid = TALK if at in SPOKEN["talk"] else ["", *TALK[1:]]
    for value in FEW:
        odd = value.filled(page.secret, page.door)
        answer = visitor.public(endpoint, [*valid[:at], odd, *valid[at + 1 :]])
        wrong += told(value, page.problems(answer, *parts(odd)))
    assert not wrong, "\n".join(wrong)
    assert door.knocks == knocks, "the server fetched an address"


@pytest.mark.parametrize("value", [value for value in FEW if value.name != "a million letters"], ids=str)
def test_the_same_odd_value_everywhere_is_answered_in_words(page: OpenPage, door, value: Value) -> None:
    """Every handler that the page has, also ones that are added after this test was written."""
    visitor, knocks, wrong = page.visitor(), door.knocks, []
    odd = value.filled(page.secret, page.door)
    for entry in visitor.config()["dependencies"]:
        if entry["backend_fn"]:
            answer = visitor.call(entry["api_name"], [odd] * len(entry["inputs"]), listen=entry["api_name"] != "follow")
            wrong += [f"{entry['api_name']}: {line}" for line in told(value, page.problems(answer, *parts(odd)))]
    assert not wrong, "\n".join(wrong)
    assert door.knocks == knocks, "the server fetched an address"


@pytest.mark.parametrize("path", [
    "/run/still", "/api/still", "/call/talk", "/call/v2/talk", "/queue/join", "/cancel", "/component_server", "/reset",
    "/run/no-such-handler", "/call/no-such-handler",
])  # fmt: skip
def test_a_body_that_is_none_is_answered(page: OpenPage, path: str) -> None:
    visitor, wrong = page.visitor(), []
    for value in BODIES:
        answer = visitor.post(f"{PREFIX}{path}", value.value)
        found = told(value, page.problems(answer, *parts(value.value)))
        if answer.status in (0, 400, 404, 405, 413, 422):  # the words are those of the web server
            found = [line for line in found if "without a sentence" not in line and "was closed" not in line]
        wrong += found
    assert not wrong, "\n".join(wrong)


def test_a_body_beyond_the_cap_is_refused_unread(page: OpenPage) -> None:
    visitor = page.visitor()
    whole = b'{"data": ["' + b"a" * (60 * 2**20) + b'"], "session_hash": "a"}'
    for path in ("/run/still", "/queue/join", "/call/talk"):
        answer = visitor.send("POST", f"{PREFIX}{path}", whole, {"Content-Type": "application/json"})
        # The server may close the connection before it has read all of it.
        assert answer.status in (0, 413), answer
        assert "Traceback" not in page.news()
    claimed = visitor.send("POST", f"{PREFIX}/run/still", b"{}", {"Content-Length": str(2**40)})
    assert claimed.status in (0, 400, 413), claimed


def told(value: Value, problems: list[str]) -> list[str]:
    """The problems with one value, each with its name."""
    return [f"{value}: {problem}" for problem in problems]


def parts(value: object) -> list[str]:
    """The texts in what was sent, which an answer may repeat."""
    if isinstance(value, Raw):
        return [value.text]
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in inner for text in parts(part)]


def test_the_secret_would_be_seen(page: OpenPage, tmp_path: Path) -> None:
    """What the tests above look for is found where it is given away: an uploaded picture may be shown."""
    visitor = page.visitor()
    [where] = json.loads(visitor.upload("mine.png", Path(page.secret).read_bytes()).body)
    picture = {"path": where, "orig_name": "mine.png", "meta": {"_type": "gradio.FileData"}}
    answer = visitor.call("still", [*STILL[:7], "A picture", STILL[8], picture, *STILL[10:]])
    assert any("shown" in problem for problem in page.problems(answer))
