"""A folder of films becomes shards: described, tracked once, judged, packed; killed and gone on with; forgotten when
the people in it say so."""

import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from emotalk.core.errors import HubError, InputError
from emotalk.learning.corpus import load_corpus
from scripts.track_corpus import packed, tracked
from scripts.track_corpus.__main__ import TRACKED, Options, films_folder, main
from scripts.track_corpus.described import CLIPS, DESCRIPTION, read_corpus
from scripts.track_corpus.packed import Limits, told
from tests.conftest import SHARED_DATA
from tests.killing import Forks
from tests.scripts.corpus_doubles import DRIVER, GOOD, SIZE, TABLE, WORKER, contents, facts_of, inline_pool
from tests.tracking.filmed import ffmpeg

ROOT = Path(__file__).resolve().parents[2]
DESCRIBED = {
    "name": "Aunts", "source": "a drawer", "licence": "CC BY 4.0", "attribution": "The aunts, 2020",
    "consent": "in writing, kept by us", "weights": "any",
}  # fmt: skip
GRID = SHARED_DATA / "grid"
COUNTED = "tests.scripts.corpus_doubles:counted"
FILMS = {"ann/1.mp4": "one", "ann/2.MOV": "two two", "bea/1.mp4": "three", "bea/2.mp4": "four of them"}


def describe(folder: Path, **changes) -> None:
    table = {name: value for name, value in {**DESCRIBED, **changes}.items() if value is not None}
    (folder / DESCRIPTION).write_text(json.dumps(table))


@pytest.fixture
def films(tmp_path) -> Path:
    """A folder of four films of two people."""
    folder = tmp_path / "films"
    for name, said in FILMS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(said)
    describe(folder)
    return folder


@pytest.fixture
def run(films, tmp_path):
    """Tracks the folder, with options; returns the corpus."""

    def do(status: int = 0, **options):
        assert main(Options(films=str(films), out=tmp_path / "out", **options), inline_pool) == status
        return load_corpus(tmp_path / "out")

    return do


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """What workers have begun, as a function."""
    ledger = tmp_path / "ledger"
    ledger.with_suffix(".json").write_text("{}")
    monkeypatch.setenv("CORPUS_LEDGER", str(ledger))
    return lambda: sorted(ledger.read_text().split("\n")[:-1]) if ledger.exists() else []


def left_out(out: Path) -> dict[str, str]:
    return json.loads((out / "manifest.json").read_text())["left_out"]


def names(corpus) -> list[str]:
    return [clip.facts.name for clip in corpus.clips]


def test_films_become_clips_with_their_people_and_terms(run):
    corpus = run()
    assert names(corpus) == sorted(FILMS)
    assert [clip.facts.speaker for clip in corpus.clips] == ["ann", "ann", "bea", "bea"]
    assert {clip.facts.consent for clip in corpus.clips} == {DESCRIBED["consent"]}
    assert corpus.card()["licences"] == {"CC BY 4.0": 4}


def test_nothing_is_done_twice_and_new_films_alone_are_tracked(run, begun, films, tmp_path):
    run()
    first = contents(tmp_path / "out")
    assert begun() == sorted(FILMS.values())
    run()
    assert contents(tmp_path / "out") == first
    (films / "cid").mkdir()
    (films / "ann" / "1.mp4").rename(films / "cid" / "moved.mp4")  # what a film is called does not matter
    (films / "cid" / "new.mp4").write_text("five")
    assert names(run()) == ["ann/2.MOV", "bea/1.mp4", "bea/2.mp4", "cid/moved.mp4", "cid/new.mp4"]
    assert begun() == sorted([*FILMS.values(), "five"])


def test_a_changed_film_is_tracked_anew_and_its_old_numbers_go(run, begun, films, tmp_path):
    run()
    (films / "ann" / "1.mp4").write_text("other")
    run()
    assert begun() == sorted([*FILMS.values(), "other"])
    results = list((tmp_path / "out" / "tracked").glob("??/*"))
    assert len(results) == 4


def test_who_takes_a_film_back_is_forgotten(run, begun, films, tmp_path):
    run()
    (films / CLIPS).write_text("file,use\nann/2.MOV,no\n")
    assert "ann/2.MOV" not in names(run())
    assert len(list((tmp_path / "out" / "tracked").glob("??/*"))) == 3
    assert b"ann/2.MOV" not in b"".join(contents(tmp_path / "out").values())
    assert len(begun()) == 4


def test_what_is_not_good_enough_is_left_out_with_a_reason(run, begun, films, tmp_path):
    for name, said in {"dark.mp4": "dark", "slow.mp4": "slow", "twin.mp4": "three"}.items():
        (films / "cid").mkdir(exist_ok=True)
        (films / "cid" / name).write_text(said)
    assert names(run()) == sorted(FILMS)
    why = left_out(tmp_path / "out")
    assert why["cid/dark.mp4"] == "No face was found in dark.mp4."
    assert "0.70" in why["cid/slow.mp4"]
    assert why["cid/twin.mp4"] == "It is the same film as bea/1.mp4."
    assert len(told(why)) == 3
    before = begun()
    assert "cid/slow.mp4" in names(run(limits=Limits(least_seen=0.5)))  # other limits need no tracking
    assert begun() == before


def test_a_fault_of_the_machine_is_tried_again(run, begun, films, tmp_path):
    (films / "ann" / "1.mp4").write_text("machine")
    (films / "bea" / "twin.mp4").write_text("machine")
    assert names(run(status=1)) == ["ann/2.MOV", "bea/1.mp4", "bea/2.mp4"]
    assert "memory" in left_out(tmp_path / "out")["ann/1.mp4"]
    run(status=1)
    assert begun().count("machine") == 2


def test_shards_are_of_a_size_and_old_ones_go(run, monkeypatch, tmp_path):
    monkeypatch.setattr(packed, "SHARD_FRAMES", 100)
    whole = run()
    assert len(contents(tmp_path / "out")) == 1 + 2
    monkeypatch.setattr(packed, "SHARD_FRAMES", 50)
    assert names(run()) == names(whole)
    assert len(contents(tmp_path / "out")) == 1 + 4


def test_a_damaged_result_is_found(run, tmp_path):
    run()
    arrays = next((tmp_path / "out" / "tracked").glob("??/*/clip.safetensors"))
    data = bytearray(arrays.read_bytes())
    data[-1] ^= 1
    arrays.write_bytes(data)
    for shard in (tmp_path / "out" / "shards").iterdir():
        shard.unlink()
    with pytest.raises(InputError, match="damaged"):
        run()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"refused": "No face."}, "No face"),
        ({"frames": 40}, "1.6 s"),
        ({"sync": 0.1}, "agree by 0.10"),
        ({"quality": {**GOOD, "relative_error": 0.03}}, "0.0300 eye"),
        ({"quality": {**GOOD, "relative_error": float("nan")}}, "nan eye"),
        ({"quality": {**GOOD, "face_height": 30}}, "30 pixels"),
        ({"quality": {**GOOD, "sharpness": 0.1}}, "0.10"),
        ({"quality": {**GOOD, "yaw": [-70, -50]}}, "50 degrees"),
        ({"quality": {**GOOD, "yaw": [-70, 60]}}, ""),
        ({}, ""),
    ],
)
def test_every_limit_has_its_sentence(changes, words):
    why = Limits().why_not({**facts_of(75, b""), **changes})
    assert words in why
    assert bool(why) == bool(words)


@pytest.mark.slow
def test_killed_before_drawn_changes_of_files_it_ends_the_same(run, films, tmp_path):
    """Each fork is driver and worker in one; a seed draws before which change to the files it is killed."""
    run()
    base, chance = tmp_path / "base", random.Random(11)
    base.mkdir()
    kills = 0
    with Forks("tests.scripts.corpus_doubles:inline", base) as forks:
        for _ in range(8):
            kills += forks.run(kill_before=chance.randint(1, 40))
        assert not forks.run(kill_before=0)
    assert kills >= 4
    assert contents(base / "out") == contents(tmp_path / "out")
    assert not list((base / "out").rglob("*.jpg"))  # of pictures that were being looked at nothing is left


def killed(films: Path, out: Path, kills: dict[str, str], table: str) -> dict[str, bytes]:
    """What two workers leave that are killed at these counts of what is begun, or their driver, and go on."""
    ledger = Path(os.environ["CORPUS_LEDGER"])
    ledger.unlink(missing_ok=True)
    ledger.with_suffix(".json").write_text(json.dumps(kills))
    order = [sys.executable, "-m", "tests.scripts.corpus_doubles", str(films), str(out), "2", table]
    for expected in [-signal.SIGKILL] * list(kills.values()).count(DRIVER) + [0]:
        done = subprocess.run(order, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == expected, done.stderr[-2000:]
    assert not list(out.rglob("*.jpg"))
    return contents(out)


@pytest.mark.slow
@pytest.mark.skipif(GRID.is_dir(), reason="the next test does the same with real films")
def test_two_workers_killed_and_their_driver_too_make_the_same_shards(run, films, begun, tmp_path):
    run()
    assert killed(films, tmp_path / "two", {"2": WORKER, "4": DRIVER}, TABLE) == contents(tmp_path / "out")


@pytest.mark.slow
@pytest.mark.skipif(not GRID.is_dir(), reason="the films of the GRID corpus are not here")
def test_real_films_tracked_by_two_workers_killed_twice_are_the_same_shards(begun, tmp_path):
    films, out = tmp_path / "films", tmp_path / "out"
    for name in ("s1/bbal8p", "others/s26_bgbsza"):
        (films / name.split("/")[0]).mkdir(parents=True)
        ffmpeg(films / f"{name}.mp4", "-i", str(GRID / f"{name}.mp4"), "-t", "2.2")
    describe(films, name="GRID")
    assert main(Options(films=str(films), out=out, workers=1, size=SIZE)) == 0
    assert killed(films, tmp_path / "two", {"1": WORKER, "2": DRIVER}, COUNTED) == contents(out)
    corpus = load_corpus(out)
    assert names(corpus) == ["others/s26_bgbsza.mp4", "s1/bbal8p.mp4"]
    for clip in corpus.clips:
        assert len(clip) >= 50
        assert clip.seen.mean() > 0.9
        assert clip.facts.sync > 0.25


@pytest.mark.slow
def test_actors_of_a_ray_cluster_make_the_same_shards(run, films, tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed (requirements-scale.txt)")
    from emotalk.batch.ray_pool import RayPool

    run()
    place = str((tmp_path / "ray" / TRACKED).resolve())
    asked = Options(films=str(films), out=tmp_path / "ray")
    assert main(asked, lambda options, films: RayPool(place, "auto", 2, 1, TABLE)) == 0
    assert contents(tmp_path / "ray") == contents(tmp_path / "out")


def test_names_say_who_speaks_in_which_mood(films):
    describe(
        films, speaker="^(...)/", mood=r"/(\d)\.", moods={"1": "happy", "2": "sad"}, include=["ann/*", "bea/1.mp4"]
    )  # fmt: skip
    (films / CLIPS).write_text(
        "file,valence,arousal,licence,consent,weights,speaker\nann/2.MOV,-0.5,,CC0,on tape,private,Anna\n"
    )
    _, found = read_corpus(films)
    assert [film.name for film in found] == ["ann/1.mp4", "ann/2.MOV", "bea/1.mp4"]
    assert found[0].emotion == found[2].emotion != (0.0, 0.0)
    own = found[1]
    assert (own.emotion, own.licence, own.consent, own.weights) == ((-0.5, 0.0), "CC0", "on tape", "private")
    assert own.speaker == "Anna"


def test_a_single_film_is_not_freer_than_its_corpus(films):
    describe(films, weights="non-commercial")
    (films / CLIPS).write_text("file,weights\nann/1.mp4,any\nann/2.MOV,private\n")
    assert [film.weights for film in read_corpus(films)[1]] == ["non-commercial", "private", *["non-commercial"] * 2]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"licence": None}, "licence"), ({"consent": " "}, "consent"), ({"weights": "all"}, "weights"),
        ({"speaker": "("}, "expression"), ({"speaker": "ann"}, "one group"), ({"speaker": "(x+)y"}, "who speaks"),
        ({"mood": "/(.)"}, "There is no emotion"), ({"colour": "red"}, "colour"), ({"include": []}, "no film"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_description_is_told(films, changes, words):
    describe(films, **changes)
    with pytest.raises(InputError, match=words):
        read_corpus(films)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("file,use\nann/9.mp4,no\n", "ann/9.mp4"), ("file,use\nann/1.mp4,perhaps\n", "yes or no"),
        ("name\nann/1.mp4\n", "column file"), ("file,colour\nann/1.mp4,red\n", "colour"),
        ("file,use\nann/1.mp4,no,no\n", "cells"), ("file,valence\nann/1.mp4,2\n", "-1 to 1|between"),
        ("file,mood\nann/1.mp4,spleen\n", "spleen"), ("file,weights\nann/1.mp4,all\n", "weights"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_single_films_is_told(films, rows, words):
    (films / CLIPS).write_text(rows)
    with pytest.raises(InputError, match=words):
        read_corpus(films)


def test_a_folder_without_a_description_is_not_touched(films, tmp_path):
    (films / DESCRIPTION).unlink()
    with pytest.raises(InputError, match=r"docs/corpus\.md"):
        main(Options(films=str(films), out=tmp_path / "out"), inline_pool)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("films", ["nowhere", "hf://models/a/b", "hf://datasets/a", "hf://datasets/a/../b"])
def test_films_that_are_nowhere_are_refused(films):
    with pytest.raises(InputError):
        films_folder(films)


def test_a_dataset_that_is_not_here_is_told_at_once_offline(monkeypatch, tmp_path):
    monkeypatch.setenv("EMOTALK_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.is_offline_mode", lambda: True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE"):
        films_folder("hf://datasets/me/films")


def test_a_result_hangs_on_the_film_and_on_what_looks_at_it(monkeypatch):
    key = tracked.result_key("0" * 64, 256)
    assert key == tracked.result_key("0" * 64, 256)
    others = [tracked.result_key("1" * 64, 256), tracked.result_key("0" * 64, 512)]
    monkeypatch.setattr(tracked, "FIT_VERSION", 99)
    assert len({key, *others, tracked.result_key("0" * 64, 256)}) == 4


def test_limits_are_told_in_the_manifest(run, tmp_path):
    run(limits=replace(Limits(), least_sync=0.1))
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["limits"]["least_sync"] == 0.1
