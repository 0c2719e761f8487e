"""The exported .glb, read back with a small reader of our own: it poses as the head model does, and keeps the rules."""

import json
import struct

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation, Slerp

from emotalk.avatar import Consent, GaussianAvatar, load_avatar, write_gltf
from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES
from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion
from emotalk.head.mesh import JOINT_NAMES

KINDS = {5121: "u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class Glb:
    """A .glb as the specification describes it."""

    def __init__(self, path):
        data = path.read_bytes()
        magic, version, length = struct.unpack_from("<4sII", data)
        assert (magic, version, length) == (b"glTF", 2, len(data))
        size, kind = struct.unpack_from("<I4s", data, 12)
        assert kind == b"JSON"
        assert size % 4 == 0
        self.json = json.loads(data[20 : 20 + size])
        start = 20 + size
        length, kind = struct.unpack_from("<I4s", data, start)
        assert kind == b"BIN\0"
        assert length % 4 == 0
        assert start + 8 + length == len(data)
        self.binary = data[start + 8 :]
        assert [buffer["byteLength"] for buffer in self.json["buffers"]] == [len(self.binary)]

    def _numbers(self, view, offset, component, count):
        view = self.json["bufferViews"][view]
        kind = np.dtype(KINDS[component])
        assert offset + count * kind.itemsize <= view["byteLength"]
        return np.frombuffer(self.binary, kind, count, view["byteOffset"] + offset)

    def accessor(self, index):
        entry = self.json["accessors"][index]
        count, width = entry["count"], WIDTHS[entry["type"]]
        values = np.zeros((count, width))
        if "bufferView" in entry:
            flat = self._numbers(entry["bufferView"], entry.get("byteOffset", 0), entry["componentType"], count * width)
            values = flat.reshape(count, width).astype(np.float64)
        if entry.get("normalized"):
            values = values / np.iinfo(KINDS[entry["componentType"]]).max
        if sparse := entry.get("sparse"):
            where, what = sparse["indices"], sparse["values"]
            rows = self._numbers(where["bufferView"], where["byteOffset"], where["componentType"], sparse["count"])
            assert (np.diff(rows.astype(int)) > 0).all()
            assert rows[-1] < count
            part = self._numbers(what["bufferView"], what["byteOffset"], 5126, sparse["count"] * width)
            values[rows] = part.reshape(-1, width)
        return values

    @property
    def primitive(self):
        return self.json["meshes"][0]["primitives"][0]

    def attribute(self, name):
        return self.accessor(self.primitive["attributes"][name])

    def posed(self, seconds):
        """Vertices [V, 3] at a time of the animation: morph targets, then the skin."""
        nodes = [dict(node) for node in self.json["nodes"]]
        for channel in self.json["animations"][0]["channels"]:
            sampler = self.json["animations"][0]["samplers"][channel["sampler"]]
            times, values = self.accessor(sampler["input"])[:, 0], self.accessor(sampler["output"])
            values = values.reshape(len(times), -1)
            if channel["target"]["path"] == "rotation" and len(times) > 1:
                value = Slerp(times, Rotation.from_quat(values))([seconds]).as_quat()[0]
            else:
                value = np.array([np.interp(seconds, times, column) for column in values.T])
            nodes[channel["target"]["node"]][channel["target"]["path"]] = value
        mesh = next(node for node in nodes if "mesh" in node)
        vertices = self.attribute("POSITION")
        for weight, target in zip(mesh["weights"], self.primitive["targets"], strict=True):
            if weight:
                vertices = vertices + weight * self.accessor(target["POSITION"])
        world = {}

        def place(index, above):
            own = np.eye(4)
            own[:3, :3] = Rotation.from_quat(nodes[index].get("rotation", [0, 0, 0, 1])).as_matrix()
            own[:3, 3] = nodes[index].get("translation", [0, 0, 0])
            world[index] = above @ own
            for child in nodes[index].get("children", ()):
                place(child, world[index])

        skin = self.json["skins"][0]
        place(skin["skeleton"], np.eye(4))
        inverse = self.accessor(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        matrices = np.stack([world[joint] for joint in skin["joints"]]) @ inverse
        joints, weights = self.attribute("JOINTS_0").astype(int), self.attribute("WEIGHTS_0")
        blended = np.einsum("vk,vkab->vab", weights, matrices[joints])
        return np.einsum("vab,vb->va", blended[:, :3, :3], vertices) + blended[:, :3, 3]


@pytest.fixture(scope="module")
def mira() -> GaussianAvatar:
    return load_avatar("mira")


@pytest.fixture(scope="module")
def head_file(mira, tmp_path_factory):
    return Glb(write_gltf(mira, tmp_path_factory.mktemp("glb") / "mira.glb"))


def motion_of(frames: int, **channels) -> HeadMotion:
    still = HeadMotion.neutral(frames)
    values = {name: np.array(getattr(still, name)) for name in vars(still)}
    for name, value in channels.items():
        if name in ARKIT_INDEX:
            values["expression"][:, ARKIT_INDEX[name]] = value
        else:
            values[name] = np.broadcast_to(np.asarray(value, np.float32), values[name].shape)
    return HeadMotion(**values)


RISING = np.linspace(0, 1, 12)
MOTIONS = {
    "still": motion_of(2),
    "one frame": motion_of(1, jawOpen=0.5, head_pose=[0.1, 0.2, 0.1, 0.01, 0.02, 0.03]),
    "speaking": motion_of(12, jawOpen=RISING, mouthPucker=1 - RISING, tongueOut=RISING, mouthSmileLeft=RISING**2),
    "blinking": motion_of(12, eyelids=RISING[:, None] * [1.0, 0.7], eyeBlinkRight=RISING),
    "looking": motion_of(12, gaze=(RISING[:, None] - 0.5) * [0.9, 0.6], eyeLookUpLeft=RISING * 0.4),
    "turning": motion_of(12, head_pose=(RISING[:, None] - 0.3) * [0.5, 0.9, -0.4, 0.02, -0.01, 0.05]),
    "jaw joint": motion_of(12, jaw=RISING[:, None] * [0.3, 0.1, 0.02], jawOpen=0.3),
    "everything": motion_of(
        12,
        expression=0.5 * np.abs(np.sin(np.arange(52) + 3 * RISING[:, None])),
        gaze=0.3 * np.sin(RISING[:, None] * [5, 7]),
        eyelids=np.abs(np.sin(RISING[:, None] * [4, 4.2])),
        jaw=0.1 * np.sin(RISING[:, None] * [2, 3, 4]),
        head_pose=0.3 * np.sin(RISING[:, None] * [3, 2, 4, 1, 0.2, 0.3]),
    ),
}


@pytest.mark.parametrize("name", MOTIONS)
def test_morph_targets_and_skin_pose_as_the_head_model_within_a_fifth_of_a_millimetre(mira, tmp_path, name):
    motion = MOTIONS[name]
    file = Glb(write_gltf(mira, tmp_path / "talk.glb", motion))
    expected = mira.mesh(motion)[0].numpy()
    for frame in range(0, len(motion), 3):
        off = np.linalg.norm(file.posed(frame / 25) - expected[frame], axis=1)
        assert off.max() < 2e-4, (frame, off.argmax())


def test_without_a_motion_the_file_is_the_persons_resting_face_and_every_shape_at_full(mira, head_file):
    rest = mira.mesh(HeadMotion.neutral())[0][0].numpy()
    np.testing.assert_allclose(head_file.attribute("POSITION"), rest, atol=1e-6)
    assert not np.allclose(rest, mira.head.template, atol=1e-3), "the identity is worked in"
    assert "animations" not in head_file.json
    assert head_file.json["meshes"][0]["extras"]["targetNames"] == list(ARKIT_NAMES)
    with torch.no_grad():
        shaped = mira.person.shaped(torch.eye(52)).numpy()
    for expected, target in zip(shaped, head_file.primitive["targets"], strict=True):
        found = head_file.attribute("POSITION") + head_file.accessor(target["POSITION"])
        np.testing.assert_allclose(found, expected, atol=3e-6)


def test_a_face_at_rest_needs_no_lid_shapes_and_a_blink_few(mira, tmp_path):
    still, blink = (Glb(write_gltf(mira, tmp_path / "a.glb", MOTIONS[name])) for name in ("still", "blinking"))
    assert len(still.primitive["targets"]) == 52
    assert 52 < len(blink.primitive["targets"]) <= 58
    for channel in blink.json["animations"][0]["channels"][:1]:
        assert channel["target"]["path"] == "weights"
        weights = blink.accessor(blink.json["animations"][0]["samplers"][channel["sampler"]]["output"])
        assert np.abs(weights).max() <= 1, "sliders of other programs end there"


def test_the_head_stands_upright_and_looks_along_plus_z(head_file, mira):
    vertices, eyes = head_file.attribute("POSITION"), mira.person.regions
    iris = vertices[eyes["iris"].numpy()].mean(0)
    assert iris[2] > 0.05
    assert abs(iris[0]) < 0.01
    assert iris[1] > vertices[eyes["lips"].numpy()].mean(0)[1] > vertices[eyes["shoulders"].numpy()].mean(0)[1]
    names = [node["name"] for node in head_file.json["nodes"]]
    assert names == [*JOINT_NAMES, "face"]
    assert head_file.json["nodes"][2]["translation"][1] > 0
    assert head_file.json["nodes"][names.index("eye_l")]["translation"][0] > 0.02


def test_triangles_face_outwards_and_normals_are_units(head_file):
    vertices, normals = head_file.attribute("POSITION"), head_file.attribute("NORMAL")
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    triangles = head_file.accessor(head_file.primitive["indices"])[:, 0].astype(int).reshape(-1, 3)
    a, b, c = vertices[triangles].transpose(1, 0, 2)
    volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum()
    assert volume > 0, "counter-clockwise seen from outside"


def test_normals_of_a_shape_are_those_of_the_moved_face(mira, head_file):
    k = ARKIT_INDEX["jawOpen"]
    vertices = head_file.attribute("POSITION") + head_file.accessor(head_file.primitive["targets"][k]["POSITION"])
    turned = head_file.attribute("NORMAL") + head_file.accessor(head_file.primitive["targets"][k]["NORMAL"])
    triangles = mira.head.triangles.numpy()
    a, b, c = vertices[triangles].transpose(1, 0, 2)
    sums = np.zeros_like(vertices)
    np.add.at(sums, triangles, np.cross(b - a, c - a)[:, None])
    expected = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    assert np.abs(turned - expected).max() < 5e-3


def test_the_file_keeps_the_rules_of_gltf(mira, tmp_path):
    file = Glb(write_gltf(mira, tmp_path / "talk.glb", MOTIONS["everything"]))
    document = file.json
    assert document["asset"]["version"] == "2.0"
    views, accessors = document["bufferViews"], document["accessors"]
    for view in views:
        assert view["byteOffset"] % 4 == 0
        assert view["byteOffset"] + view["byteLength"] <= len(file.binary)
    attributes = file.primitive["attributes"]
    wanted = {
        "POSITION": (5126, "VEC3"), "NORMAL": (5126, "VEC3"), "COLOR_0": (5123, "VEC4"), "JOINTS_0": (5121, "VEC4"),
        "WEIGHTS_0": (5126, "VEC4"),
    }  # fmt: skip
    assert attributes.keys() == wanted.keys()
    count = len(mira.person.template)
    for name, index in attributes.items():
        entry = accessors[index]
        assert (entry["componentType"], entry["type"]) == wanted[name]
        assert entry["count"] == count
        assert views[entry["bufferView"]]["target"] == 34962
    indices = accessors[file.primitive["indices"]]
    assert indices["componentType"] == 5123
    assert views[indices["bufferView"]]["target"] == 34963
    assert file.accessor(file.primitive["indices"]).max() < 65535
    for index in [attributes["POSITION"], *(target["POSITION"] for target in file.primitive["targets"])]:
        values = file.accessor(index)
        assert accessors[index]["min"] == values.min(0).tolist()
        assert accessors[index]["max"] == values.max(0).tolist()
    for entry in accessors:
        if sparse := entry.get("sparse"):
            for part, size in (("indices", 2), ("values", 4)):
                assert "target" not in views[sparse[part]["bufferView"]]
                assert sparse[part]["byteOffset"] % size == 0
    names = document["meshes"][0]["extras"]["targetNames"]
    assert len(names) == len(file.primitive["targets"]) == len(document["meshes"][0]["weights"])
    assert len(set(names)) == len(names)
    weights, joints = file.attribute("WEIGHTS_0"), file.attribute("JOINTS_0")
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
    assert weights.min() >= 0
    assert joints.max() < 6
    assert (joints[weights == 0] == 0).all()
    inverse = accessors[document["skins"][0]["inverseBindMatrices"]]
    assert (inverse["type"], inverse["count"]) == ("MAT4", 6)
    assert "target" not in views[inverse["bufferView"]]
    for sampler in document["animations"][0]["samplers"]:
        times = accessors[sampler["input"]]
        assert times["min"] == [0]
        assert times["max"] == pytest.approx([11 / 25])
        output = accessors[sampler["output"]]
        assert output["count"] == times["count"] * (len(names) if output["type"] == "SCALAR" else 1)
        if output["type"] == "VEC4":
            np.testing.assert_allclose(np.linalg.norm(file.accessor(sampler["output"]), axis=1), 1, atol=1e-6)


def test_sparse_shapes_keep_the_file_small(mira, head_file, tmp_path):
    dense = 2 * 52 * 12 * len(mira.person.template)
    assert len(head_file.binary) < 0.3 * dense
    assert len(Glb(write_gltf(mira, tmp_path / "a.glb", MOTIONS["still"])).binary) < len(head_file.binary) + 2000


def test_colours_are_those_of_the_gaussians_in_linear_light(mira, head_file):
    colors = head_file.attribute("COLOR_0")
    assert (colors[:, 3] == 1).all()
    shown = np.where(colors <= 0.0031308, colors * 12.92, 1.055 * colors ** (1 / 2.4) - 0.055)[:, :3]
    regions = {name: mask.numpy() for name, mask in mira.person.regions.items()}
    lips, teeth, pupil, ears, face = (
        shown[regions[name]].mean(0) for name in ("lips", "teeth", "pupil", "ears", "face")
    )
    assert lips[0] > 1.3 * lips[1]
    assert pupil.max() < 0.5 * teeth.min()
    assert ears[0] > 0.7 * face[0]  # the file has no hair: the ears that it hides show
    assert head_file.json["meshes"][0]["extras"]["verticesWithColorOfTheirOwn"] > 0.85


def test_the_avatars_card_travels_along(mira, tmp_path, head_file):
    asset = head_file.json["asset"]
    assert asset["copyright"] == f"AI generated. Licence: {mira.card.licence}"
    assert asset["extras"]["avatar"]["provenance"] == mira.card.provenance
    assert "consent" not in asset["extras"]["avatar"]
    real = type(mira.card)(
        "Ada", "all rights reserved", "a video", False, consent=Consent("Yes, I agree.", "2026-01-02")
    )
    told = Glb(write_gltf(mira.replace(card=real), tmp_path / "ada.glb")).json["asset"]["extras"]
    assert told["avatar"]["consent"] == {"statement": "Yes, I agree.", "time": "2026-01-02", "live": False}
    assert "AI generated" in told["notice"]


def test_an_avatar_without_gaussians_on_its_skin_is_grey(mira, tmp_path):
    g = mira.gaussians
    keep = torch.arange(len(g)) >= g.mesh_count
    bare = mira.replace(gaussians=g.select(keep), corrections=None, skin=None)
    file = Glb(write_gltf(bare, tmp_path / "bare.glb"))
    assert "COLOR_0" not in file.primitive["attributes"]
    assert file.json["materials"][0]["pbrMetallicRoughness"]["baseColorFactor"] == [0.5, 0.5, 0.5, 1.0]


def test_the_same_avatar_gives_the_same_bytes_and_nothing_else_is_left(mira, tmp_path):
    first, second = (write_gltf(mira, tmp_path / name, MOTIONS["blinking"]) for name in ("a.glb", "b.glb"))
    assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.glb", "b.glb"]


def test_what_cannot_be_written_is_refused_with_a_sentence(mira, tmp_path):
    with pytest.raises(InputError, match=r"end in \.glb"):
        write_gltf(mira, tmp_path / "head.fbx")
    with pytest.raises(InputError, match="1 to 22500 frames"):
        write_gltf(mira, tmp_path / "head.glb", MOTIONS["still"][:0])
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_gltf(mira, tmp_path / "file" / "head.glb")
