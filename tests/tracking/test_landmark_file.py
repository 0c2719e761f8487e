"""Landmark files: every layout that is told is read, and whatever else a stranger sends is a sentence."""

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotalk.core.errors import EmotalkError, InputError, TrackingError
from emotalk.core.landmarks import IBUG68
from emotalk.tracking.landmark_file import read_landmarks, write_landmarks
from emotalk.tracking.landmark_layouts import LAYOUTS, LandmarkTrack, among_478, check_face, known_landmarks


def some_points(count: int = 68, frames: int = 5) -> np.ndarray:
    return np.random.default_rng(0).uniform(20, 300, (frames, count, 2))


def saved(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("width", [2, 3])
def test_arrays_are_read_in_every_layout(layout, width, tmp_path):
    points = some_points(LAYOUTS[layout])
    whole = np.concatenate([points, np.zeros((*points.shape[:2], width - 2))], -1)
    np.save(tmp_path / "plain.npy", whole)
    np.save(tmp_path / "flat.npy", whole.reshape(5, -1))
    np.save(tmp_path / "fortran.npy", np.asfortranarray(whole.astype(np.float32)))
    saved(tmp_path / "named.npz", landmarks=whole, other=np.zeros(3))
    for name in ("plain.npy", "flat.npy", "fortran.npy", "named.npz"):
        track = read_landmarks(tmp_path / name)
        assert (track.layout, track.fps) == (layout, 25.0)
        np.testing.assert_allclose(track.points, points, rtol=1e-6)


def test_what_the_file_tells_is_taken_before_what_is_told_beside_it(tmp_path):
    points = some_points() / [640, 480]
    path = saved(tmp_path / "a.npz", points=points, fps=30.0, size=[640, 480], neutral=2)
    track = read_landmarks(path, fps=50, size=(10, 10))
    assert (track.fps, track.size) == (30.0, (640, 480))
    np.testing.assert_allclose(track.points, some_points())
    np.testing.assert_allclose(track.neutral, some_points()[2])
    sides = saved(tmp_path / "b.npz", points=points, width=640, height=480)
    np.testing.assert_allclose(read_landmarks(sides, fps=50).points, some_points())
    assert read_landmarks(sides, fps=50).fps == 50


@pytest.mark.parametrize("ending", [".json", ".npz"])
def test_what_is_written_is_read(ending, tmp_path):
    points = some_points()
    points[1] = np.nan
    track = LandmarkTrack(points, "ibug68", 30.0, (640, 480), points[0])
    again = read_landmarks(write_landmarks(track, tmp_path / f"a{ending}"))
    assert (again.layout, again.fps, again.size) == ("ibug68", 30.0, (640, 480))
    np.testing.assert_allclose(again.points, points, atol=6e-3)
    np.testing.assert_allclose(again.neutral, points[0], atol=6e-3)


def test_json_knows_null_units_and_a_bare_list(tmp_path):
    points = some_points().tolist()
    (tmp_path / "bare.json").write_text(json.dumps([points[0], None, *points[2:]]))
    track = read_landmarks(tmp_path / "bare.json")
    assert np.isnan(track.points[1]).all()
    assert np.isfinite(track.points[[0, 2, 3, 4]]).all()
    shares = (some_points() / 512).tolist()
    told = {"points": shares, "unit": "normalised", "size": [512, 512], "layout": "ibug68", "neutral": shares[3]}
    (tmp_path / "told.json").write_text(json.dumps(told))
    track = read_landmarks(tmp_path / "told.json")
    np.testing.assert_allclose(track.points, some_points())
    np.testing.assert_allclose(track.neutral, some_points()[3])


def test_frames_that_lack_a_point_or_are_all_zero_have_no_face(tmp_path):
    points = some_points(478)
    points[1, 7], points[2] = np.nan, 0.0
    np.save(tmp_path / "a.npy", points)
    track = read_landmarks(tmp_path / "a.npy")
    assert np.isnan(track.points[1:3]).all()
    points = some_points(478)
    points[:, 468:] = np.nan  # a model without irises
    np.save(tmp_path / "b.npy", points)
    assert read_landmarks(tmp_path / "b.npy").layout == "mediapipe468"


class TestAtVideoRate:
    """Resampling and gaps, on points that move in straight lines, which stay straight."""

    def moving(self, frames: int, fps: float) -> LandmarkTrack:
        seconds = (np.arange(frames) + 0.5) / fps
        return LandmarkTrack(seconds[:, None, None] * [100.0, 50.0] * np.ones((1, 68, 1)), "ibug68", fps)

    @pytest.mark.parametrize("fps", [12.5, 25.0, 30.0, 60.0])
    def test_any_rate_becomes_25(self, fps):
        track = self.moving(round(4 * fps), fps).at_video_rate()
        assert (len(track), track.fps) == (100, 25.0)
        middle = slice(2, -2)
        np.testing.assert_allclose(track.points[middle], self.moving(100, 25.0).points[middle])

    def test_short_gaps_are_bridged(self):
        track = self.moving(50, 25.0)
        track.points[20:32] = np.nan
        np.testing.assert_allclose(track.at_video_rate().points, self.moving(50, 25.0).points)

    @pytest.mark.parametrize("rows", [slice(0, 13), slice(20, 33), slice(37, 50)])
    def test_long_ones_are_refused_with_their_seconds(self, rows):
        track = self.moving(50, 25.0)
        track.points[rows] = np.nan
        with pytest.raises(TrackingError, match=rf"second {rows.start / 25:.1f} to {rows.stop / 25:.1f}"):
            track.at_video_rate()

    def test_no_face_at_all(self):
        track = self.moving(5, 25.0)
        track.points[:] = np.nan
        with pytest.raises(TrackingError, match="No frame"):
            track.at_video_rate()


def test_68_points_find_their_places_among_478():
    points = some_points(478)
    track = LandmarkTrack(points, "mediapipe478", 25.0).as_ibug68()
    placed = among_478(track.points, "ibug68")
    known = known_landmarks("ibug68") > 0
    assert known.sum() == 68
    np.testing.assert_array_equal(placed[:, known], points[:, known])
    # Between the points that dlib has on a lid lies the one that it lacks.
    np.testing.assert_allclose(placed[:, 159], (points[:, 160] + points[:, 158]) / 2)
    assert np.isnan(placed[:, 468:]).all()


def test_the_68_are_those_of_the_head_model():
    from emotalk.head import HeadModel

    head = HeadModel.load()
    all_of_them, sparse = (head.landmarks(head.template[None], kind)[0] for kind in ("mediapipe478", "ibug68"))
    apart = (all_of_them[list(IBUG68)] - sparse).norm(dim=1)
    assert apart[[k for k in range(68) if k != 30]].max() < 1e-6
    assert apart[30] < 0.01  # the nose's tip, which MediaPipe has points above and below of


def big_header() -> bytes:
    """An array file of a few bytes that claims to hold a terabyte."""
    text = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000, 68, 2), }".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def pickled() -> bytes:
    made = io.BytesIO()
    np.save(made, np.array([{"a": 1}], object), allow_pickle=True)
    return made.getvalue()


def zipped(content: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as file:
        file.writestr("points.npy", content)
    return made.getvalue()


def array_bytes(points: np.ndarray) -> bytes:
    made = io.BytesIO()
    np.save(made, points)
    return made.getvalue()


def with_infinity() -> np.ndarray:
    points = some_points()
    points[2, 3, 0] = np.inf
    return points


HOSTILE = {
    "a pickle": ("a.npy", pickle.dumps(some_points()), "pickled objects are never read"),
    "an array of objects": ("a.npy", pickled(), "pickled objects are never read"),
    "objects in a zip": ("a.npz", zipped(pickled()), "pickled objects are never read"),
    "a terabyte that is not there": ("a.npy", big_header(), "MB of points"),
    "the same in a zip": ("a.npz", zipped(big_header()), "MB of points"),
    "a file that is cut off": ("a.npy", array_bytes(some_points())[:-9], "damaged"),
    "a zip that is cut off": ("a.npz", zipped(array_bytes(some_points()))[:-40], "damaged"),
    "no file of arrays": ("a.npy", b"GIF89a", "damaged"),
    "nothing": ("a.npz", b"", "damaged"),
    "one frame": ("a.npy", array_bytes(some_points(frames=1)), "at least 2"),
    "no frames": ("a.npy", array_bytes(some_points(frames=0)), "No frame"),
    "another shape": ("a.npy", array_bytes(np.zeros((4, 68))), "shape"),
    "another number of points": ("a.npy", array_bytes(np.ones((4, 98, 2))), "98 points a frame; known are 478"),
    "infinities": ("a.npy", array_bytes(with_infinity()), "infinite"),
    "far away": ("a.npy", array_bytes(1e9 * some_points()), "pixels away"),
    "complex numbers": ("a.npy", array_bytes(some_points() + 1j), "damaged"),
    "texts": ("a.npy", array_bytes(np.full((4, 68, 2), "x")), "shape"),
    "only NaN": ("a.npy", array_bytes(np.full((4, 68, 2), np.nan)), "No frame"),
    "shares without a size": ("a.npy", array_bytes(some_points() / 512), "--landmarks-size"),
    "too long": ("a.npy", array_bytes(np.ones((15_001, 68, 2), np.float32) * 9), "at most 600"),
    "no JSON": ("a.json", b"[[[", "not JSON"),
    "JSON that is deep": ("a.json", b"[" * 100_000, "not JSON"),
    "JSON of something else": ("a.json", b'{"points": 7}', "no list of frames"),
    "JSON of nulls": ("a.json", b"[null, null]", "No frame"),
    "ragged JSON": ("a.json", b"[[[1, 2]], [[1, 2], [3, 4]]]", "not as many"),
    "JSON of texts": ("a.json", b'[[["a", "b"]]]', "not numbers"),
    "enormous numbers": ("a.json", b"[[[1" + b"0" * 400 + b", 2]]]", "not numbers"),
    "JSON that is no text": ("a.json", b"\xff\xfe\x00", "not JSON"),
    "another ending": ("a.pkl", pickle.dumps(1), "read from .json, .npz or .npy"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_cannot_be_used_is_a_sentence(case, tmp_path):
    name, content, message = HOSTILE[case]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as told:
        read_landmarks(tmp_path / name)
    assert message in str(told.value)


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("emotalk.tracking.landmark_file.MAX_BYTES", 1 << 20)
    (tmp_path / "a.npz").write_bytes(zipped(bytes((1 << 20) + 1), zipfile.ZIP_DEFLATED))
    assert (tmp_path / "a.npz").stat().st_size < 5000
    with pytest.raises(InputError, match="unpacks to more than 1 MB"):
        read_landmarks(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"fps": 0}, "between 5 and 240"),
        ({"fps": "fast"}, "must be a number"),
        ({"size": [1]}, "must be width and height"),
        ({"size": [0, 100]}, "between 1 and"),
        ({"layout": "mediapipe478"}, "has the 68"),
        ({"unit": "metres"}, "known are pixels and normalised"),
        ({"neutral": 9}, "frames 0 to 4"),
        ({"neutral": [[1, 2]]}, "points a frame"),
        ({"neutral": 1}, "no face in what it calls neutral"),
    ],
)
def test_what_a_file_tells_wrongly_is_a_sentence(told, message, tmp_path):
    points = some_points().tolist()
    points[1] = None
    (tmp_path / "a.json").write_text(json.dumps({"points": points, **told}))
    with pytest.raises(InputError) as refused:
        read_landmarks(tmp_path / "a.json")
    assert message in str(refused.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_landmarks(tmp_path / "gone.npy")
    with pytest.raises(InputError, match=r"written as \.json or \.npz"):
        write_landmarks(LandmarkTrack(some_points(), "ibug68", 25.0), tmp_path / "a.npy")


@pytest.fixture(scope="module")
def anywhere(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("any")


@given(content=st.binary(max_size=300), ending=st.sampled_from([".json", ".npz", ".npy"]))
def test_any_bytes_are_a_sentence(content, ending, anywhere):
    path = anywhere / f"a{ending}"
    for start in (b"", b"\x93NUMPY\x01\x00\x40\x00", b"PK\x03\x04"):
        path.write_bytes(start + content)
        with pytest.raises(EmotalkError):
            read_landmarks(path)


class TestCheckFace:
    """What cannot be a face as a camera sees it is told in words."""

    def face(self) -> np.ndarray:
        from emotalk.head import HeadModel

        head = HeadModel.load()
        points = head.landmarks(head.template[None]).double().numpy()[:, :, :2]
        return 256 + 2000 * points * [1, -1]

    def test_a_face_passes(self):
        check_face(self.face())

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            (lambda p: p * [1, -1] + [0, 512], "y must grow downwards"),
            (lambda p: p * [-1, 1] + [512, 0], "mirrored"),
            (lambda p: p / 100, "pixels apart"),
            (lambda p: p[:, ::-1], "not in the order of their layout"),
        ],
    )
    def test_others_are_told(self, changed, message):
        with pytest.raises(TrackingError, match=message):
            check_face(changed(self.face()))
