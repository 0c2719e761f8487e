"""A list of jobs is checked whole before anything is made."""

import json
from pathlib import Path

import pytest

from emotalk.batch import read_jobs
from emotalk.batch.jobs import MOST_JOBS
from emotalk.core.errors import InputError
from tests.batch import doubles

PHOTO = str(Path(__file__).resolve().parents[2] / "checkpoints" / "avatars" / "mira" / "thumbnail.jpg")
GOOD = {"kind": "echo", "say": "hello"}


def refusal(path: Path, *lines: object, kinds=None) -> str:
    """What is said of a list with these lines; a text stands for itself."""
    raw = [line if isinstance(line, bytes) else (line if isinstance(line, str) else json.dumps(line)).encode()
           for line in lines]  # fmt: skip
    path.write_bytes(b"\n".join(raw))
    with pytest.raises(InputError) as told:
        read_jobs(path, doubles.kinds() if kinds is None else kinds)
    return str(told.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "it is no JSON"),
        ("[1]", "it holds no object"),
        ("null", "it holds no object"),
        ('"echo"', "it holds no object"),
        (b"\xff\xfe{}", "it is no text in UTF-8"),
        ("[" * 100_000, "it is no JSON"),
        ('{"kind": "echo", "say": "a", "times": 1' + "0" * 5000 + "}", "it is no JSON"),
        ('{"kind": "echo", "say": "a", "say": "b"}', "'say' stands in it twice"),
        ('{"kind": "echo", "say": "a", "memory": NaN}', "NaN is no number"),
        ({"say": "a"}, '"kind" must be one of echo, steps, hang, stall, found None'),
        ({"kind": "shout", "say": "a"}, "found 'shout'"),
        ({"kind": ["echo"], "say": "a"}, '"kind" must be one of'),
        ({"kind": "echo"}, "'echo' needs 'say'"),
        ({**GOOD, "loud": 1}, "has no option 'loud'; it has say, file"),
        ({**GOOD, "say": 5}, "'say' must be a text, found 5"),
        ({**GOOD, "times": 1.5}, "'times' must be a whole number"),
        ({**GOOD, "times": True}, "'times' must be a whole number"),
        ({**GOOD, "memory": "much"}, "'memory' must be a number"),
        ({**GOOD, "say": "nothing"}, "Nothing cannot be said."),
        ({**GOOD, "file": "gone.wav"}, "gone.wav' (file); check the name"),
        ({**GOOD, "file": "a\0b"}, "there is no file"),
        ({**GOOD, "file": "http://example.org/a.wav"}, "no address that files are fetched from"),
        ({**GOOD, "file": "memory://none/a.wav"}, "There is no file 'memory://none/a.wav'"),
        ({**GOOD, "file": "memory://a::s3://b"}, "chains addresses"),
        ({**GOOD, "out": "../up"}, "begins or ends with a dot"),
        ({**GOOD, "out": 7}, '"out" must be the name of a folder'),
    ],
)  # fmt: skip
def test_a_bad_line_is_named_by_its_number_with_a_sentence(tmp_path, line, words):
    said = refusal(tmp_path / "jobs.jsonl", GOOD, "", line)
    assert said.startswith("1 of 2 jobs cannot be done, so none was begun.\nLine 3: ")
    assert words in said


def test_all_bad_lines_are_told_up_to_a_number(tmp_path):
    said = refusal(tmp_path / "jobs.jsonl", *["?"] * 30).splitlines()
    assert said[0].startswith("30 of 30 jobs")
    assert [line.split(":")[0] for line in said[1:21]] == [f"Line {number}" for number in range(1, 21)]
    assert said[21:] == ["... and 10 more."]


def test_a_list_must_be_there_hold_something_and_not_be_endless(tmp_path, monkeypatch):
    for path, words in ((tmp_path / "gone.jsonl", "cannot be read"), (tmp_path, "cannot be read")):
        with pytest.raises(InputError, match=words):
            read_jobs(path, doubles.kinds())
    assert "holds no job" in refusal(tmp_path / "jobs.jsonl", "", "  ")
    monkeypatch.setattr("emotalk.batch.jobs.MOST_JOBS", 2)
    assert "more than 2 jobs" in refusal(tmp_path / "jobs.jsonl", GOOD, GOOD, GOOD)
    assert "more than 4 lines" in refusal(tmp_path / "jobs.jsonl", *[""] * 6)
    monkeypatch.setattr("emotalk.batch.jobs.LONGEST_LINE", 10)
    assert "Line 1 has more than" in refusal(tmp_path / "jobs.jsonl", GOOD)
    assert MOST_JOBS >= 50_000


def test_results_without_a_name_are_called_after_what_they_are_of_wherever_they_stand(tmp_path):
    path = tmp_path / "jobs.jsonl"
    first = doubles.read(path, GOOD, {"kind": "echo", "say": "bye"})
    turned = doubles.read(path, {"kind": "echo", "say": "bye"}, {"say": "hello", "kind": "echo"})
    assert [job.out for job in first] == [job.out for job in turned][::-1]
    assert first[0].out.startswith("hello-")
    assert "Line 2" in (said := refusal(path, GOOD, GOOD))
    assert "as that of line 1" in said


def test_files_are_noted_by_their_whole_name_and_addresses_as_they_are(tmp_path, monkeypatch):
    import fsspec

    fsspec.filesystem("memory").pipe_file("/jobs/sound.wav", b"sound")
    (tmp_path / "a.wav").write_bytes(b"a")
    monkeypatch.chdir(tmp_path)
    near, far, url = doubles.read(
        tmp_path / "jobs.jsonl", {**GOOD, "file": "a.wav"}, {**GOOD, "file": "memory://jobs/sound.wav"},
        {**GOOD, "file": f"file://{tmp_path}/a.wav", "out": "url"},
    )  # fmt: skip
    assert near.inputs == {"file": ("", str(tmp_path / "a.wav"))} == url.inputs
    assert far.inputs == {"file": ("", "memory://jobs/sound.wav")}


class TestRealKinds:
    """The checks are those of the commands."""

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ({"kind": "talk"}, "nothing to say"),
            ({"kind": "talk", "text": "Hi.", "audio": PHOTO}, "give one of them"),
            ({"kind": "talk", "text": "Hi.", "avatar": "nobody"}, "no avatar 'nobody'"),
            ({"kind": "talk", "text": "Hi.", "voice": "opera"}, "no voice 'opera'"),
            ({"kind": "talk", "text": "Hi.", "valence": 2}, "[-1, 1]"),
            ({"kind": "talk", "text": "Hi.", "size": 63}, "even number"),
            ({"kind": "talk", "text": "Hi.", "emotion": "hungry"}, "An emotion is auto"),
            ({"kind": "talk", "text": "Hi.", "emotion": "gone.json"}, "gone.json"),
            ({"kind": "talk", "text": "Hi.", "background": "gone.png"}, "gone.png"),
            ({"kind": "talk", "text": "Hi.", "background": "#12"}, "written #rrggbb"),
            ({"kind": "talk", "text": "Hi.", "background": "transparent"}, "is a .webm"),
            ({"kind": "talk", "text": "Hi.", "gaze": "1,x"}, "Nobody looks"),
            ({"kind": "talk", "text": "Hi.", "format": "avi"}, "must end in one of"),
            ({"kind": "talk", "text": "Hi.", "captions": "doc"}, "Captions are written as"),
            ({"kind": "talk", "text": "Hi.", "device": "tpu"}, "'device' must be one of auto, cpu, cuda"),
            ({"kind": "talk", "text": "Hi.", "output": "/tmp/x.mp4"}, "has no option 'output'"),
            ({"kind": "talk", "audio": PHOTO, "captions": "srt"}, "give them as its transcript"),
            ({"kind": "talk", "landmarks": PHOTO, "text": "Hi."}, "leave the text out"),
            ({"kind": "scene"}, "'scene' needs 'script'"),
            ({"kind": "scene", "script": PHOTO}, "no text in UTF-8"),
            ({"kind": "portrait", "photo": PHOTO, "name": "me"}, "needs consent"),
            ({"kind": "portrait", "photo": PHOTO, "name": "me", "consent": "yes"}, "'consent' must be true or false"),
            ({"kind": "portrait", "photo": PHOTO, "name": "mira", "consent": True}, "comes with the program"),
            ({"kind": "portrait", "photo": PHOTO, "name": "me", "consent": True, "face": 0}, "from 1"),
            ({"kind": "personalize", "video": PHOTO, "name": "me", "consent": True}, "is a photo"),
            ({"kind": "personalize", "name": "me", "consent": True}, "needs 'video'"),
            ({"kind": "track", "video": PHOTO, "size": 63}, "even number from 128"),
            ({"kind": "evaluate", "video": PHOTO}, "either an avatar"),
            ({"kind": "evaluate", "video": PHOTO, "protocol": "loose"}, "'protocol' must be"),
        ],
    )  # fmt: skip
    def test_what_a_command_would_refuse_is_refused_before_anything_is_made(self, tmp_path, line, words):
        from emotalk.batch.kinds import known_kinds

        said = refusal(tmp_path / "jobs.jsonl", line, kinds=known_kinds())
        assert "\nLine 1: " in said
        assert words in said

    def test_good_ones_pass_and_know_what_they_depend_on(self, tmp_path):
        (tmp_path / "said.txt").write_text("What is said.")
        (tmp_path / "scene.txt").write_text("Mira: Hi.\nKofi: Ho.\n")
        (tmp_path / "mood.json").write_text('{"keys": [{"time": 0, "valence": 0.5, "arousal": 0.2}]}')
        lines = [
            {"kind": "talk", "text": "Hi.", "emotion": str(tmp_path / "mood.json"), "background": f"blur:{PHOTO}"},
            {"kind": "talk", "audio": PHOTO, "transcript": str(tmp_path / "said.txt"), "captions": "vtt"},
            {"kind": "scene", "script": str(tmp_path / "scene.txt"), "staging": "side-by-side", "size": 256},
            {"kind": "portrait", "photo": PHOTO, "name": "Me", "consent": True, "video_only": True},
            {"kind": "track", "video": PHOTO, "seconds": 5},
            {"kind": "evaluate", "video": PHOTO, "avatar": "kofi"},
        ]
        path = tmp_path / "jobs.jsonl"
        path.write_text("\n".join(map(json.dumps, lines)))
        jobs = read_jobs(path)
        assert jobs[0].inputs == {"emotion": ("", str(tmp_path / "mood.json")), "background": ("blur:", PHOTO)}
        assert set(jobs[1].inputs) == {"audio", "transcript"}
        names = [sorted(folder.name for folder in job.folders) for job in jobs]
        assert names == [["mira"], ["mira"], ["kofi", "mira"], [], [], ["kofi"]]
        assert [job.out.rpartition("-")[0] for job in jobs] == [
            "hi", "thumbnail", "scene", "me", "thumbnail", "kofi-thumbnail"
        ]  # fmt: skip
