"""Models and voices of a job are found and checked before anything is made, and its result depends on them."""

import json

import pytest

from emotalk.batch import read_jobs
from emotalk.batch.kinds import KEPT_STUDIOS, Desk
from emotalk.batch.models import studio_for
from emotalk.batch.tasks import Naming
from emotalk.core.errors import InputError
from emotalk.motion import MotionModel
from emotalk.speech import SpeechEncoder
from emotalk.talk import studio as studio_module

TALK = {"kind": "talk", "out": "talk", "text": "Hello.", "voice": "espeak:en-us"}
KINDS = {"encoder": SpeechEncoder, "motion_model": MotionModel}


def read(folder, *lines):
    path = folder / "jobs.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return read_jobs(path)


def digest(folder, **options):
    return Naming().of(read(folder, TALK | options)[0])


@pytest.fixture
def scene(tmp_path):
    (tmp_path / "scene.txt").write_text("Mira: Hi.\nKofi: Ho.\n")
    return {"kind": "scene", "out": "scene", "script": str(tmp_path / "scene.txt")}


class TestModels:
    @pytest.mark.parametrize("option", KINDS)
    @pytest.mark.parametrize(
        ("name", "words"),
        [
            (7, "must be a folder or an address on the Hub, found 7"),
            ("nowhere", "neither a folder nor an address on the Hub"),
            ("org/nobody", "There is no org/nobody on the Hub"),
            ("empty", "config.json"),
            ("x" * 5000, "cannot be read"),
            ("a\0b", "neither a folder nor an address on the Hub"),
        ],
    )
    def test_one_that_cannot_be_used_is_named_by_its_line(self, hub, tmp_path, monkeypatch, option, name, words):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "empty").mkdir()
        with pytest.raises(InputError) as told:
            read(tmp_path, TALK, TALK | {"out": "other", option: name})
        head, line = str(told.value).splitlines()
        assert head == "1 of 2 jobs cannot be done, so none was begun."
        assert line.startswith("Line 2: ")
        assert words in line

    def test_one_for_something_else_is_refused_in_a_scene_too(self, tmp_path, scene):
        MotionModel.load().save_pretrained(tmp_path / "moves")
        with pytest.raises(InputError, match=r"Line 1: .*is that of no speech model"):
            read(tmp_path, scene | {"encoder": str(tmp_path / "moves")})

    @pytest.mark.parametrize("option", KINDS)
    def test_a_folder_is_an_input_by_its_whole_name_and_its_bytes_count(self, tmp_path, monkeypatch, scene, option):
        monkeypatch.chdir(tmp_path)
        KINDS[option].load().save_pretrained(tmp_path / "model")
        talk, play = read(tmp_path, TALK | {option: "model"}, scene | {option: "model"})
        assert talk.inputs[option] == play.inputs[option] == ("", str(tmp_path / "model"))
        first = digest(tmp_path, **{option: "model"})
        assert first == digest(tmp_path, **{option: "model"})
        assert first != digest(tmp_path)
        (tmp_path / "model" / "README.md").write_text("Another one.")
        assert first != digest(tmp_path, **{option: "model"})

    @pytest.mark.parametrize("option", KINDS)
    def test_one_on_the_hub_is_downloaded_once_for_the_check_and_its_bytes_count(self, hub, tmp_path, option):
        KINDS[option].load().save_pretrained(tmp_path / "m")
        files = {path.name: path.read_bytes() for path in (tmp_path / "m").iterdir()}
        hub.add("org/model", files)
        job, other = read(tmp_path, TALK | {option: "org/model"}, TALK | {option: "org/model", "out": "other"})
        assert job.inputs == {}
        assert job.folders[0].name == "mira"
        assert {path.name for path in job.folders[1].iterdir()} >= {"config.json", "model.safetensors"}
        assert len(hub.downloads()) == 2
        assert Naming().of(job) == Naming().of(other) != digest(tmp_path)

    def test_the_shipped_encoder_is_no_folder_even_where_one_is_called_so(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "embedded").mkdir()
        assert read(tmp_path, TALK | {"encoder": "embedded"})[0].inputs == {}

    def test_a_worker_makes_a_job_with_its_models_and_keeps_a_few(self, tmp_path):
        for option, kind in KINDS.items():
            kind.load().save_pretrained(tmp_path / option)
        desk, named = Desk(), {option: str(tmp_path / option) for option in KINDS}
        plain = studio_for(desk, {})
        assert plain is desk.studio("auto", ("embedded", None)) is studio_for(desk, {"encoder": "embedded"})
        own = studio_for(desk, named)
        assert own is not plain
        assert own is studio_for(desk, named)
        assert own.motion.digest == MotionModel.from_pretrained(named["motion_model"]).digest
        studio_for(desk, {"encoder": named["encoder"]})
        assert len(desk.studios) == KEPT_STUDIOS == 2
        assert own is studio_for(desk, named)
        assert plain is not studio_for(desk, {})


class TestVoices:
    """Whoever changes the voice that reads for an avatar gets new results, also where no job names one."""

    @pytest.fixture(autouse=True)
    def presets(self, monkeypatch):
        monkeypatch.delenv("EMOTALK_VOICE", raising=False)
        monkeypatch.setattr(studio_module, "PRESET_VOICES", {"mira": ("espeak:en-us",), "kofi": ("espeak:en-us+f3",)})

    def voices(self, folder, line):
        return read(folder, line)[0].voices

    def test_the_voice_that_will_read_is_known(self, tmp_path, scene, monkeypatch):
        monkeypatch.setattr(studio_module, "FOREIGN_VOICES", {"de": ("espeak:de",)})
        plain = {"kind": "talk", "text": "Hello, how are you?"}
        assert self.voices(tmp_path, plain) == ("espeak:en-us",)
        assert self.voices(tmp_path, plain | {"avatar": "kofi"}) == ("espeak:en-us+f3",)
        assert self.voices(tmp_path, plain | {"text": "Guten Morgen, wie geht es dir?"}) == ("espeak:de",)
        assert self.voices(tmp_path, plain | {"voice": "espeak:fr-fr"}) == ("espeak:fr-fr",)
        assert self.voices(tmp_path, scene) == ("espeak:en-us", "espeak:en-us+f3")
        (tmp_path / "a.wav").write_bytes(b"sound")
        assert self.voices(tmp_path, {"kind": "talk", "audio": str(tmp_path / "a.wav")}) == ()

    @pytest.mark.parametrize("kind", ["talk", "scene"])
    def test_another_default_voice_is_another_result(self, tmp_path, scene, monkeypatch, kind):
        line = scene if kind == "scene" else {"kind": "talk", "out": "talk", "text": "Hello, how are you?"}
        before = Naming().of(read(tmp_path, line)[0])
        assert before == Naming().of(read(tmp_path, line)[0])
        monkeypatch.setitem(studio_module.PRESET_VOICES, "kofi", ("espeak:en-us+m3",))
        assert (before == Naming().of(read(tmp_path, line)[0])) == (kind == "talk")
        monkeypatch.setitem(studio_module.PRESET_VOICES, "mira", ("espeak:en-us+f4",))
        assert before != Naming().of(read(tmp_path, line)[0])

    def test_a_job_that_names_its_voice_does_not_mind(self, tmp_path, monkeypatch):
        before = digest(tmp_path)
        monkeypatch.setitem(studio_module.PRESET_VOICES, "mira", ("espeak:en-us+f4",))
        assert before == digest(tmp_path)
