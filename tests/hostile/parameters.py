"""Odd values for every argument of every handler, and valid ones to put beside them."""

# ruff: noqa: E501 (the tables below have one case a line)

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.hostile.visitor import Raw


@dataclass(frozen=True)
class Value:
    """One odd value. {secret} and {web} in it stand for the owner's picture and for a server that must hear nothing."""

    name: str
    value: Any

    def __str__(self) -> str:
        return self.name

    def filled(self, secret: str, web: str) -> Any:
        """The value with both put in."""

        def fill(part: Any) -> Any:
            if isinstance(part, str):
                return part.replace("{secret}", secret).replace("{web}", web)
            if isinstance(part, dict):
                return {key: fill(inner) for key, inner in part.items()}
            return [fill(inner) for inner in part] if isinstance(part, list) else part

        return fill(self.value)


def file(path: str | None, **more: Any) -> dict[str, Any]:
    """A file as a browser names it."""
    return {
        "path": path,
        "orig_name": "a.png",
        "size": 1,
        "mime_type": "image/png",
        "meta": {"_type": "gradio.FileData"},
    } | more


TYPES = [
    Value("null", None), Value("true", True), Value("false", False), Value("zero", 0), Value("minus one", -1),
    Value("a fraction", 0.333), Value("an empty text", ""), Value("an empty list", []), Value("an empty table", {}),
    Value("a list of a list", [[["a"]]]), Value("a table", {"a": {"b": [1]}}), Value("a number as text", "1"),
    Value("a word", "mira"), Value("an update", {"__type__": "update", "value": "{secret}"}),
]  # fmt: skip
NUMBERS = [
    Value("1e308", 1e308), Value("1e999", Raw("1e999")), Value("-1e999", Raw("-1e999")), Value("NaN", Raw("NaN")),
    Value("Infinity", Raw("Infinity")), Value("2^32", 2**32), Value("2^63", 2**63), Value("-2^63", -(2**63)),
    Value("10^400", 10**400), Value("5000 digits", Raw("9" * 5000)), Value("1e-320", 1e-320),
]  # fmt: skip
TEXTS = [
    Value("a zero byte", "a\0b"), Value("half a character", "a\ud800b"), Value("a million letters", "a" * 1_000_000),
    Value("2000 faces", "\U0001f600" * 2000), Value("letters that turn the line around", "\u202eolleh"),
    Value("a script", "<img src=x onerror=alert(1)>"), Value("white space", " \t\n"), Value("a tag", "<"),
    Value("a shell's words", "$(touch climbed); `touch climbed` | touch climbed"), Value("a format", "%s%n{0.__class__}"),
    Value("marks above marks", "e" + "\u0301" * 5000), Value("an option", "--help"),
]  # fmt: skip
PATHS = [
    Value("the owner's picture", "{secret}"), Value("/etc/passwd", "/etc/passwd"), Value("a URL of it", "file://{secret}"),
    Value("a way up", "../../../../../../../../../../{secret}"), Value("/dev/zero", "/dev/zero"), Value("a server", "{web}a.png"),
    Value("the owner's picture as an upload", file("{secret}")), Value("/etc/passwd as an upload", file("/etc/passwd")),
    Value("/proc/self/environ as an upload", file("/proc/self/environ")), Value("a device as an upload", file("/dev/zero")),
    Value("a server as an upload", file("{web}a.png", url="{web}a.png")), Value("an upload without a path", file(None)),
    Value("an upload by address", {"url": "{web}a.png", "path": None, "meta": {"_type": "gradio.FileData"}}),
    Value("an upload of a folder", file("/etc")), Value("two uploads", [file("{secret}"), file("{secret}")]),
    Value("an upload inside an upload", {"path": file("{secret}"), "meta": {"_type": "gradio.FileData"}}),
    Value("a stream of the owner's", file("{secret}", is_stream=True)), Value("a folder of avatars", "{secret}/.."),
    Value("a colour", "#ff00ff"), Value("a broken colour", "#gggggg"), Value("a colour without numbers", "rgba()"),
    Value("a colour without an end", "rgb("), Value("a colour of NaN", "rgba(nan,1e999,-1,2)"), Value("an address", "a/b@c/d/e"),
]  # fmt: skip
DEEP = [
    Value("a list 200 deep", Raw("[" * 200 + "]" * 200)),
    Value("a list 100,000 deep", Raw("[" * 100_000 + "]" * 100_000)),
]
VALUES = [*TYPES, *NUMBERS, *TEXTS, *PATHS, *DEEP]
FEW = [
    *TYPES[:2],
    *TYPES[6:9],
    *NUMBERS[1:4],
    *NUMBERS[8:9],
    *TEXTS[:3],
    *PATHS[:6],
    *PATHS[6:7],
    *PATHS[10:11],
    *DEEP[:1],
]
"""For handlers that take long where a value is accepted."""

STILL = ["mira", 0.2, 0.1, 1.0, 0, 0, 1.0, "The avatar's own", "#cfe3f2", None, "bottom-right", "1:1", "off", "ahead"]
"""A face's value for each argument of the still and of the sheet of moods."""
TALK = [
    "Hi.", None, "mira", 0.0, 0.0, False, "", 0, 1.0, 1.0, 0.0, 1.0, 64, "", "bottom-right", True, "", 0.0, "1:1", "off",
    "still", "ahead", "", "embedded",
]  # fmt: skip
"""The documented endpoint's arguments."""
GENERATE = [
    "mira", "Type", "Hi.", "", None, False, 0.2, 0.1, {"keys": []}, 0, 1.0, 1.0, 0, 0, 1.0, 256, "The avatar's own",
    "#cfe3f2", None, "bottom-right", True, "", "1:1", "off", "still", "ahead", "embedded",
]  # fmt: skip
"""The arguments of the Generate button."""
LIVE = {
    "avatar": "mira", "text": "Hi.", "voice": "drawn:tone", "valence": 0.2, "arousal": 0.1, "expressiveness": 1.0,
    "head_motion": 1.0, "mood_in_voice": True, "seed": 0, "follow": False,
}  # fmt: skip
"""What a page sends to let a live face say something."""
CONVERSE = {"text": "Hi.", "heard": 0.5, "fresh": False, "url": None, "key": None, "model": None}
"""What a page sends to talk with a live face, beside what `LIVE` has."""
BEGIN = [None, "Somebody", 0.25, False, False]
"""The arguments of making an avatar: a video, a name, minutes, consent, video only."""
FURTHER = ["somebody", 0.25]
"""The arguments of improving an avatar: its name, minutes."""
PORTRAIT = [None, "Somebody", False, False, ""]
"""The arguments of making an avatar of a photo: the photo, a name, consent, video only, the number of a face."""

BODIES = [
    Value("no body", Raw("")), Value("half a body", Raw('{"data": [')), Value("a list", Raw("[]")), Value("null", Raw("null")),
    Value("a number", Raw("1e999")), Value("no data", {}), Value("data that is null", {"data": None}),
    Value("data that is a table", {"data": {"a": 1}}), Value("too little data", {"data": []}), Value("too much data", {"data": [1] * 500}),
    Value("data 100,000 deep", {"data": [Raw("[" * 100_000 + "]" * 100_000)]}),
    Value("no such handler", {"data": [], "fn_index": 10**9}), Value("handler minus one", {"data": [], "fn_index": -1}),
    Value("a handler in words", {"data": [], "fn_index": "../still"}), Value("handler 10^400", {"data": [], "fn_index": 10**400}),
    Value("a session that is a number", {"data": [], "session_hash": 1}), Value("a session that is a table", {"data": [], "session_hash": {}}),
    Value("an event that is another's", {"data": [], "event_id": "a" * 32}), Value("a batch", {"data": [[]], "batched": True}),
    Value("a trigger that does not exist", {"data": [], "trigger_id": 10**9}), Value("an event of odd data", {"data": [], "event_data": [1]}),
    Value("a request of one's own", {"data": [], "request": {"username": "owner"}}),
    Value("an entry of 2 MB", {"data": ["a" * 2_000_000]}), Value("20,000 entries", {"data": [], **{f"key{i}": i for i in range(20_000)}}),
]  # fmt: skip
"""Whole bodies that are none."""
