"""What a result may be called: nothing leads out of the batch's folder."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emotalk.batch.names import DEEPEST, LONGEST, Taken, checked_out
from emotalk.core.errors import InputError

TRICKY = st.sampled_from(
    ["..", ".", "/", "\\", "a", "B", " ", "\0", "~", "con", "é", ":", "report.json", ".batch", "\n"]
)


@given(st.one_of(st.text(), st.lists(TRICKY).map("".join)))
@example("../up")
@example("/etc")
@example("a/../../b")
@example("C:/windows")
@example(".batch/lock")
@example("report.json")
@example("REPORT.JSON/x")
def test_no_text_leads_out_of_the_folder_or_to_the_batchs_own_files(name):
    root = Path("/somewhere/out")
    try:
        out = checked_out(name)
    except InputError:
        return
    place = Path(f"{root}/{out}")
    assert place.resolve() == place
    assert place != root
    assert place.is_relative_to(root)
    parts = place.relative_to(root).parts
    assert 1 <= len(parts) <= DEEPEST
    assert not any(part.startswith(".") for part in parts)
    assert all(len(part.encode()) <= LONGEST for part in parts)
    assert parts[0].lower() != "report.json"


@pytest.mark.parametrize("name", ["lesson-3", "fr/lesson-3", "Größe 2", "日本/一", "a.b", "v1.2/x_y"])
def test_plain_names_stay_as_they_are(name):
    assert checked_out(name) == name


@pytest.mark.parametrize("name", [None, "", 3, "a//b", "a/", "a/.", "a.", " a", "nul", "COM1.x", "x" * 101, "a/" * 9])
def test_others_are_refused_in_a_sentence(name):
    with pytest.raises(InputError, match=r'^"out"'):
        checked_out(name)


@pytest.mark.parametrize(("first", "second"), [("a", "a"), ("a", "A"), ("a", "a/b"), ("a/b", "a"), ("a/b/c", "A/B")])
def test_no_two_results_lie_in_one_place_or_one_in_the_other(first, second):
    taken = Taken()
    taken.take(first, 4)
    with pytest.raises(InputError, match="line 4"):
        taken.take(second, 7)


def test_neighbours_are_free():
    taken = Taken()
    for line, out in enumerate(("a/b", "a/c", "ab", "b/a"), 1):
        taken.take(out, line)
