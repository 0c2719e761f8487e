"""Scripts with several speakers: what they may look like, and what is said about those that are none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.core.errors import InputError
from emotalk.talk.screenplay import MAX_LINES, Line, Role, parse_screenplay, read_screenplay

SCRIPT = """\
# a cellar, at night
Anna = elena
Kofi = kofi, voice flite:rms

Mira: Did you hear [pause 0.3] *that*?
Kofi [angry]: No: nothing.
ANNA  [afraid 0.5] : I did.
  It came from the cellar.
"""


def test_a_script_has_lines_moods_and_roles():
    play = parse_screenplay(SCRIPT)
    assert play.roles == (Role("Anna", "elena", None, 2), Role("Kofi", "kofi", "flite:rms", 3))
    assert play.lines == (
        Line("Mira", "Did you hear [pause 0.3] *that*?", "", 5),
        Line("Kofi", "No: nothing.", "[angry]", 6),
        Line("ANNA", "I did.\nIt came from the cellar.", "[afraid 0.5]", 7),
    )
    assert play.speakers == ("Mira", "Kofi", "ANNA")
    assert play.lines[1].directed == "[angry] No: nothing."


def test_names_are_the_same_however_they_are_spelled_and_colons_may_be_wide():
    play = parse_screenplay("Mira: One.\n MIRA : is said, too.\nmira： Two.")
    assert play.speakers == ("Mira",)
    assert [line.text for line in play.lines] == ["One.\nMIRA : is said, too.", "Two."]


def test_a_role_may_name_a_voice_alone_and_an_address_of_the_hub():
    play = parse_screenplay("Anna Lena = voice espeak:en-us\nB=org/face@main, VOICE flite:slt\nAnna Lena: Hi.\nB: Ho.")
    assert play.roles == (
        Role("Anna Lena", "anna-lena", "espeak:en-us", 1),
        Role("B", "org/face@main", "flite:slt", 2),
    )


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("", "Nobody says anything"),
        ("# a remark\n\n", "Nobody says anything"),
        ("Anna = elena", "Nobody says anything"),
        ("Mira: Hi.\nWho is there?", r"Line 2 has no speaker: 'Who is there\?'"),
        ("Mira: Hi.\n: Hello.", "Line 2 has no speaker in front"),
        ("Mira: Hi.\n\nKofi:", "Line 3: Kofi says nothing"),
        ("Mira: [pause 2]", "Line 1: Mira says nothing"),
        ("Mira [hapy]: Hi.", r"Line 1: '\[hapy\]' is no mood"),
        ("Mira [pause]: Hi.", "is no mood"),
        ("Mira [happy: Hi.", "is no mood"),
        ("A very long sentence without any speaker at all, but: yes.", "at most 40 printable letters"),
        ("Anna = \nAnna: Hi.", "Line 1 does not say who Anna is"),
        ("Anna = a, b\nAnna: Hi.", "Line 1 does not say who Anna is"),
        ("Anna = voice a, voice b\nAnna: Hi.", "names two voices"),
        ("Anna = elena\nanna = mira\nAnna: Hi.", "Line 2 says again who anna is"),
        ("Anna = elena\nMira: Hi.", "Line 1 says who Anna is, but Anna says nothing"),
        ("Mira: Hi.\n" * (MAX_LINES + 1), f"Line {MAX_LINES + 1} is one too many"),
        ("Mira: " + "[happy] x " * 1001, "Line 1: "),
        (7, "must be a string, found int"),
        ("x" * 500_001, "Split it"),
    ],
)
def test_what_is_no_script_is_told_with_its_line(script, sentence):
    with pytest.raises(InputError, match=sentence):
        parse_screenplay(script)


ALPHABET = st.sampled_from(list("Mira:：=[]#*<>/ \n\t.,0.5happyvoice\ud800\u2028\u0301😀é"))


@settings(max_examples=150)
@given(st.text(ALPHABET, max_size=80) | st.text())
def test_every_string_is_a_script_or_is_refused_in_words(script):
    try:
        play = parse_screenplay(script)
    except InputError:
        return
    assert play.lines
    assert all(line.speaker.strip() and line.directed for line in play.lines)
    numbers = [line.number for line in play.lines]
    assert numbers == sorted(set(numbers))


def test_a_long_script_is_read_at_once():
    play = parse_screenplay("Mira: Hi.\n" + " x\n" * 160_000)
    assert len(play.lines) == 1
    assert play.lines[0].text.count("x") == 160_000


def test_a_file_of_a_script(tmp_path):
    (tmp_path / "scene.txt").write_text("\ufeff" + SCRIPT, encoding="utf-8")
    assert read_screenplay(tmp_path / "scene.txt") == parse_screenplay(SCRIPT)
    with pytest.raises(InputError, match=r"'.*gone\.txt' cannot be read"):
        read_screenplay(tmp_path / "gone.txt")
    with pytest.raises(InputError, match="cannot be read"):
        read_screenplay(tmp_path)
    (tmp_path / "picture.txt").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(InputError, match=r"picture\.txt is no text in UTF-8"):
        read_screenplay(tmp_path / "picture.txt")
