"""The folder that `export --page` writes: what is in it, and what it refuses."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import re
import wave
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from emotalk.core.errors import InputError
from emotalk.live import wire
from emotalk.live.hearing import LiveTalk
from emotalk.talk.request import TalkRequest, talk_request
from emotalk.ui.recorded_page import FILES, check_folder, recorded_page, write_page
from tests.ui.lively_studio import LivelyStudio
from tests.ui.static_site import whole_pack

HOSTILE = """"><script>alert('1')</script>{{nonce}}&amp;"""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> LivelyStudio:
    return LivelyStudio(tmp_path_factory.mktemp("drawn"))


def with_card(studio: LivelyStudio, **changes: object) -> None:
    """The card of mira is another one from now on."""
    avatar = studio.avatar("mira")
    studio._avatars["mira"] = avatar.replace(card=dataclasses.replace(avatar.card, **changes))


@pytest.fixture
def original(studio: LivelyStudio):
    before = studio.avatar("mira")
    yield studio
    studio._avatars["mira"] = before


@pytest.fixture(scope="module")
def request_() -> TalkRequest:
    return talk_request(text="Hello there. How are you?", valence=0.5, arousal=-0.25, seed=7, voice="flite:slt")


@pytest.fixture(scope="module")
def files(studio: LivelyStudio, request_: TalkRequest) -> dict[str, bytes]:
    return recorded_page(studio, request_, pack=whole_pack).files


def part(files: dict[str, bytes], name: str) -> bytes:
    """What a script of the folder holds."""
    said = re.fullmatch(r'\(window\.emotalkParts\?\?=\{\}\)\.(\w+)="([\w+/=]*)";\n', files[f"{name}.js"].decode())
    assert said[1] == name
    return base64.b64decode(said[2])


class Seen(HTMLParser):
    """Elements of a page and the text of its scripts, as a browser takes it apart."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.said = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.said += data


def test_the_folder_holds_the_talk_the_packs_the_script_and_the_page(files, studio, request_):
    assert tuple(files) == FILES[:2] + tuple(f"{name}.js" for name in ("talk", "face", "avatar"))
    assert part(files, "talk") == b"".join(LiveTalk(studio, request_).records())
    assert gzip.decompress(part(files, "avatar"))[:4] == gzip.decompress(part(files, "face"))[:4] == b"EMLV"


def test_the_script_is_small(files):
    assert len(gzip.compress(files["page.js"], 9)) <= 35_000


def test_the_talk_is_whole(files):
    records = [(kind, wire.content(kind, payload)) for kind, payload in wire.records(part(files, "talk"))]
    assert [records[0][0], records[-1][0]] == ["H", "E"]
    samples = sum(len(content) for kind, content in records if kind == "A")
    rows = np.concatenate([content for kind, content in records if kind == "M"])
    assert samples > 16000
    assert len(rows) == -(-samples // 640)


def test_the_page_names_only_its_own_files_and_forbids_all_others(files):
    seen = Seen(files["index.html"])
    named = [about[key] for _, about in seen.tags for key in ("src", "href") if key in about]
    assert [name for name in named if not name.startswith("data:")] == ["page.js", "talk.js", "face.js", "avatar.js"]
    (policy,) = (about["content"] for _, about in seen.tags if about.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';")
    assert "connect-src" not in policy
    assert not re.search(rb"https?://", files["index.html"] + files["page.js"])


def test_the_page_says_who_it_is_and_where_they_come_from(files, studio):
    page, card = Seen(files["index.html"]).said, studio.avatar("mira").card
    assert "AI generated" in page
    for said in (card.name, card.licence, card.provenance):
        assert said in page


def test_the_page_begins_in_the_mood_and_with_the_seed_of_the_talk(files):
    (main,) = (about for tag, about in Seen(files["index.html"]).tags if tag == "main")
    assert (main["data-mood"], main["data-seed"], main["data-parent"]) == ("[0.5, -0.25]", "7", "")


def test_a_page_around_it_may_be_named(studio, request_):
    page = recorded_page(studio, request_, parent="HTTPS://Example.org:443/", pack=whole_pack).files["index.html"]
    assert b'data-parent="https://example.org"' in page


def test_a_foreign_text_has_its_language_and_a_remark(studio):
    request = talk_request(text="Guten Morgen, wie geht es dir heute?")
    made = recorded_page(studio, request, title="Hallo", pack=whole_pack)
    assert b'<h1 lang="de" dir="auto">Hallo</h1>' in made.files["index.html"]
    assert made.remarks == ("The text is in another language (de), so flite:slt reads it.",)


def test_captions_are_of_what_is_said(studio):
    request = talk_request(text="It costs 25 euros.", voice="espeak:en-us")
    page = recorded_page(studio, request, pack=whole_pack).files["index.html"]
    assert '"It costs 25 euros."]]</script>' in page.decode()


def test_a_recording_is_played_whole_and_its_voice_is_not_called_generated(studio, tmp_path):
    samples = np.random.default_rng(0).integers(-9000, 9000, 16000).astype("<i2")
    with wave.open(str(tmp_path / "said.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    files = recorded_page(studio, talk_request(audio=tmp_path / "said.wav"), pack=whole_pack).files
    heard = b"".join(payload for kind, payload in wire.records(part(files, "talk")) if kind == "A")
    assert len(heard) == 2 * len(samples)
    page = files["index.html"].decode()
    assert "The face and its movements are made by a computer" in page
    assert '<script class="captions" type="application/json">[]</script>' in page


def test_a_page_has_an_end(studio, monkeypatch):
    monkeypatch.setattr("emotalk.ui.recorded_page.LONGEST_SECONDS", 1.0)
    with pytest.raises(InputError, match="longer than 1 seconds"):
        recorded_page(studio, talk_request(text="One, two, three, four, five.", voice="flite:slt"), pack=whole_pack)


def test_names_and_titles_are_text_whatever_they_say(original, request_):
    with_card(original, name=HOSTILE, licence=HOSTILE, provenance=HOSTILE)
    page = recorded_page(original, request_, title=HOSTILE, pack=whole_pack).files["index.html"]
    seen = Seen(page)
    assert [about.get("src", "captions") for tag, about in seen.tags if tag == "script"] == ["captions", *FILES[1:]]
    assert seen.said.count(HOSTILE) >= 4
    assert next(about for tag, about in seen.tags if tag == "img")["alt"] == f"{HOSTILE}, AI generated"


def test_a_real_person_is_on_a_page_only_with_a_yes_to_that_and_it_is_told(studio, request_):
    with pytest.raises(InputError, match="Anna is a real person who agreed to videos only"):
        recorded_page(studio, dataclasses.replace(request_, avatar="anna"), pack=whole_pack)
    page = (
        recorded_page(studio, dataclasses.replace(request_, avatar="berta"), pack=whole_pack)
        .files["index.html"]
        .decode()
    )
    assert "who agreed on 2026-01-01: I agree." in page
    assert "does not exist" not in page


@pytest.mark.parametrize("title", ["", "  ", "x" * 201])
def test_a_title_has_letters_and_an_end(studio, request_, title):
    with pytest.raises(InputError, match="1 to 200 characters"):
        recorded_page(studio, request_, title=title)


@pytest.mark.parametrize("parent", ["*", "null", "https://example.org/page", "javascript:0"])
def test_a_page_around_it_is_named_by_an_origin(studio, request_, parent):
    with pytest.raises(InputError, match="named by its origin"):
        recorded_page(studio, request_, parent=parent)


def test_what_cannot_be_said_is_no_page(studio):
    with pytest.raises(InputError, match="voice"):
        recorded_page(studio, talk_request(text="Hello.", voice="nobody:x"), pack=whole_pack)


def test_a_page_takes_the_place_of_one_that_was_made_before_and_of_nothing_else(files, tmp_path):
    folder = tmp_path / "page"
    for _ in range(2):
        write_page(files, folder)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
    assert [path.name for path in tmp_path.iterdir()] == ["page"]
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds other files \(mine\.txt\)"):
        write_page(files, folder)
    assert (folder / "mine.txt").read_text() == "mine"


def test_a_page_of_somebody_else_stays(files, tmp_path):
    (tmp_path / "index.html").write_text("<title>mine</title>")
    with pytest.raises(InputError, match=r"holds other files \(index\.html\)"):
        write_page(files, tmp_path)


def test_an_empty_folder_is_taken_and_a_file_or_the_folder_in_use_is_not(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    assert check_folder(tmp_path / "empty") == tmp_path / "empty"
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        check_folder(tmp_path / "file")
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(InputError, match="in use"):
        check_folder(Path("."))


def test_a_place_that_cannot_be_written_is_told(files, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written to page"):
        write_page(files, tmp_path / "file" / "page")
