"""Models to and from folders and the Hub: the same bits come back, and nothing dangerous comes in."""

import json

import numpy as np
import pytest

from emotalk.core.checkpoint import CONFIG, WEIGHTS
from emotalk.core.errors import CheckpointError, HubError
from emotalk.hub import model_folder, publish
from emotalk.motion import MotionModel
from emotalk.speech import SpeechEncoder
from emotalk.sync.network import SyncModel

MODELS = [SpeechEncoder, MotionModel, SyncModel]


def weights_of(model) -> dict[str, np.ndarray]:
    """Every number of a model as it works with them."""
    if isinstance(model, SpeechEncoder):
        return model._weights
    return {name: tensor.numpy() for name, tensor in model.network.state_dict().items()}


def files_of(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("kind", MODELS)
def test_push_and_pull_keep_every_bit(hub, kind, tmp_path):
    shipped = kind.load()
    shipped.save_pretrained(tmp_path / "saved")
    assert sorted(files_of(tmp_path / "saved")) == [CONFIG, WEIGHTS]
    publish(tmp_path / "saved", "me/model", "A model")
    pulled = kind.from_pretrained("me/model")
    before, after = weights_of(shipped), weights_of(pulled)
    assert before.keys() == after.keys()
    for name in before:
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)
    assert files_of(model_folder("me/model")[0].parent) == files_of(tmp_path / "saved")


def test_a_folder_that_still_holds_statistics_of_eyes_moves_with_the_shipped_ones(tmp_path):
    shipped = MotionModel.load()
    shipped.save_pretrained(tmp_path)
    table = json.loads((tmp_path / CONFIG).read_text())
    assert "eyes" not in table
    (tmp_path / CONFIG).write_text(json.dumps(table | {"eyes": {"blinks_per_minute": 33.5, "blink_profile": [0.1, 1]}}))
    again = MotionModel.from_pretrained(tmp_path)
    assert again.digest == shipped.digest


@pytest.mark.parametrize("kind", MODELS)
def test_only_the_two_files_are_asked_for_and_a_second_use_costs_no_traffic(hub, kind, tmp_path):
    kind.load().save_pretrained(tmp_path / "m")
    hub.add("org/model", {f"v2/{name}": data for name, data in files_of(tmp_path / "m").items()} | {"v2/code.py": b"x"})
    kind.from_pretrained("org/model/v2")
    assert sorted(hub.downloads()) == [f"v2/{CONFIG}", f"v2/{WEIGHTS}"]
    hub.requests.clear()
    hub.status = 500
    kind.from_pretrained("org/model/v2")
    assert hub.requests == []


def test_refresh_brings_what_is_newer(hub, tmp_path):
    shipped = SyncModel.load()
    shipped.save_pretrained(tmp_path / "m")
    hub.add("org/sync", files_of(tmp_path / "m"))
    SyncModel.from_pretrained("org/sync")
    with_bias = shipped.network.state_dict()
    with_bias["sharpness"] += 0.5
    shipped.network.load_state_dict(with_bias)
    shipped.save_pretrained(tmp_path / "m")
    hub.add("org/sync", files_of(tmp_path / "m"))
    old, new = SyncModel.from_pretrained("org/sync"), SyncModel.from_pretrained("org/sync", refresh=True)
    assert float(new.network.sharpness - old.network.sharpness) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("kind", MODELS)
class TestRefusals:
    def test_names_that_are_nothing(self, hub, kind, tmp_path):
        with pytest.raises(CheckpointError, match="neither a folder nor an address"):
            kind.from_pretrained("nothing")
        with pytest.raises(HubError, match="There is no org/nothing"):
            kind.from_pretrained("org/nothing")
        with pytest.raises(CheckpointError, match=r"config\.json is missing"):
            kind.from_pretrained(tmp_path)

    def test_weights_of_ten_gigabytes_are_not_downloaded(self, hub, kind):
        hub.add("org/huge", {CONFIG: b"{}", WEIGHTS: b"x" * 1000})
        hub.sizes[WEIGHTS] = 10 * 2**30
        with pytest.raises(HubError, match="at most 268,435,456"):
            kind.from_pretrained("org/huge")
        assert hub.downloads() == []

    def test_a_malicious_header_is_a_sentence(self, hub, kind, tmp_path):
        kind.load().save_pretrained(tmp_path / "m")
        for start in ((2**62).to_bytes(8, "little"), (90 * 2**20).to_bytes(8, "little"), b""):
            hub.add("org/evil", files_of(tmp_path / "m") | {WEIGHTS: start + b"{" * 400})
            with pytest.raises(CheckpointError):
                kind.from_pretrained("org/evil", refresh=True)

    def test_sizes_that_would_fill_the_memory_are_refused_before_anything_is_made(self, hub, kind, tmp_path):
        kind.load().save_pretrained(tmp_path / "m")
        text = (tmp_path / "m" / CONFIG).read_text().replace('"hidden": ', '"hidden": 99999')
        hub.add("org/evil", files_of(tmp_path / "m") | {CONFIG: text.encode()})
        with pytest.raises(CheckpointError, match="numbers up to 4096"):
            kind.from_pretrained("org/evil")

    def test_a_config_of_another_network_does_not_fit(self, kind, tmp_path):
        kind.load().save_pretrained(tmp_path / "m")
        table = json.loads((tmp_path / "m" / CONFIG).read_text())
        table.get("config", table)["hidden"] += 1
        (tmp_path / "m" / CONFIG).write_text(json.dumps(table))
        with pytest.raises(CheckpointError):
            kind.from_pretrained(tmp_path / "m")
