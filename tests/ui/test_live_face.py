"""The browser's face against Python's, number by number and pixel by pixel, in real Chromium."""

from __future__ import annotations

import gzip
import math

import numpy as np
import pytest
import torch

from benchmarks.live_poses import extremes, rows, speech
from emotalk.avatar import load_avatar
from emotalk.avatar.gaussians import signals
from emotalk.core.image_metrics import psnr
from emotalk.live import live_pack
from emotalk.live.pack import made
from emotalk.talk.background import Colour
from emotalk.talk.request import Look
from emotalk.talk.scene import Scene, camera_of
from emotalk.video.mark import Mark
from tests.live.doubles import filmed_avatar, lively_motion, sparse_avatar
from tests.ui.live_canvas import LiveCanvas

SIZE = 256
MEAN, LEAST = 45, 42
"""Decibels of the browser's picture against Python's."""


@pytest.fixture(scope="module")
def context(browser):
    opened = browser.new_context()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def avatar():
    return sparse_avatar()


@pytest.fixture(scope="module")
def canvas(context, avatar):
    drawn = LiveCanvas(context.new_page(), made(avatar, 0))
    yield drawn
    assert drawn.errors == []


def python_picture(avatar, motion, t=0, **look):
    return Scene(avatar, Look(size=SIZE, **look)).draw(motion, t).copy()


def likeness(canvas: LiveCanvas, drawn: np.ndarray, wanted: np.ndarray) -> float:
    free = canvas.without_mark(drawn)[..., None]
    return psnr(np.where(free, drawn, wanted), wanted)


# --- numbers ------------------------------------------------------------------------------------------------------


def test_the_mesh_is_posed_as_in_python(canvas, avatar):
    motion = lively_motion(6)
    vertices, rotations, translations = avatar.mesh(motion)
    used = avatar.head.triangles[avatar.gaussians.triangle.unique()]
    poles = torch.stack([avatar.person.ball_l[-1], avatar.person.ball_r[-1]])
    kept = torch.cat([used.flatten(), poles]).unique()
    for t, row in enumerate(rows(motion)):
        found = canvas.page.evaluate(
            "row => { const h = face.head.pose(row); return { v: Array.from(h.vertices), j: h.joints.slice(0, 3) }; }",
            row.tolist(),
        )
        np.testing.assert_allclose(np.reshape(found["v"], (-1, 3)), vertices[t, kept], atol=1e-4)
        for j, joint in enumerate(found["j"]):
            np.testing.assert_allclose(np.reshape(joint["rotation"], (3, 3)), rotations[t, j], atol=1e-6)
            np.testing.assert_allclose(joint["translation"], translations[t, j], atol=1e-6)


def test_latents_are_those_of_python_and_clipped_alike(canvas, avatar):
    motion = lively_motion(6)
    for t, row in enumerate(rows(motion)):
        wanted = avatar.corrections.latents(torch.from_numpy(signals(motion[t : t + 1])[0]))
        found = canvas.page.evaluate("row => Array.from(face.corrections.of(row))", row.tolist())
        np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize("make", [sparse_avatar, filmed_avatar])
@pytest.mark.parametrize(("yaw", "pitch", "zoom"), [(0, 0, 1.25), (30, -10, 1.25), (-22, 8, 1.6)])
def test_cameras_are_those_of_python(context, make, yaw, pitch, zoom):
    avatar = make()
    wanted = camera_of(avatar, Look(size=SIZE, yaw=yaw, pitch=pitch, zoom=zoom))
    own = LiveCanvas(context.new_page(), made(avatar, 0))
    found = own.page.evaluate(
        "([size, view]) => live.cameraOf(face.pack, size, view)",
        [SIZE, {"yaw": math.radians(yaw), "pitch": math.radians(pitch), "zoom": zoom}],
    )
    own.page.close()
    np.testing.assert_allclose(np.reshape(found["rotation"], (3, 3)), wanted.world_to_camera[:3, :3], atol=1e-6)
    np.testing.assert_allclose(found["translation"], wanted.world_to_camera[:3, 3], atol=1e-6)
    for name in ("fx", "fy", "cx", "cy", "width", "height", "near"):
        assert found[name] == pytest.approx(getattr(wanted, name), rel=1e-5), name


def test_gaussians_are_drawn_from_the_farthest_to_the_nearest(canvas, avatar):
    motion = lively_motion(3)
    camera = camera_of(avatar, Look(size=SIZE))
    for t, row in enumerate(rows(motion)):
        canvas.draw(row, SIZE)
        order, depth = canvas.page.evaluate("[Array.from(face.order), Array.from(face.sorting.here.depth)]")
        pose = camera.world_to_camera.numpy()
        wanted = avatar.pose(motion, t).means.numpy() @ pose[2, :3] + pose[2, 3]
        np.testing.assert_allclose(np.sort(depth), np.sort(wanted), atol=2e-4)
        assert sorted(order) == list(range(len(avatar)))
        assert np.diff(np.array(depth)[order]).max() <= np.ptp(depth) / 65535 + 1e-6


# --- pictures -----------------------------------------------------------------------------------------------------


def test_pictures_of_a_lively_face_are_those_of_python(canvas, avatar):
    motion = lively_motion(4)
    values = [
        likeness(canvas, canvas.draw(row, SIZE), python_picture(avatar, motion, t))
        for t, row in enumerate(rows(motion))
    ]
    assert np.mean(values) >= MEAN
    assert min(values) >= LEAST


@pytest.mark.parametrize(
    ("look", "least"),
    # Farther away than it was filmed, what goes on beyond its background is blurred by other means: mipmaps.
    [({}, LEAST), ({"yaw": 25.0, "zoom": 1.6}, LEAST), ({"pitch": -12.0, "zoom": 1.0}, 35.5)],
)
def test_a_filmed_face_stands_before_its_own_background(context, look, least):
    avatar, motion = filmed_avatar(), lively_motion()
    own = LiveCanvas(context.new_page(), made(avatar, 0))
    view = {name: math.radians(look.get(name, 0)) for name in ("yaw", "pitch")}
    drawn = own.draw(rows(motion)[1], SIZE, **view, zoom=look.get("zoom", 1.25))
    value = likeness(own, drawn, python_picture(avatar, motion, 1, **look))
    own.page.close()
    assert own.errors == []
    assert value >= least


def test_a_background_can_be_chosen_and_given_back(canvas, avatar):
    motion = lively_motion()
    red = canvas.draw(rows(motion)[0], SIZE, background=[0.7, 0.2, 0.1])
    assert likeness(canvas, red, python_picture(avatar, motion, background=Colour(0.7, 0.2, 0.1))) >= LEAST
    own = canvas.draw(rows(motion)[0], SIZE)
    assert likeness(canvas, own, python_picture(avatar, motion)) >= LEAST


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mira", "jun", "elena", "kofi", "asha", "henrik"])
def test_a_presets_pack_shows_what_python_shows(context, name):
    avatar = load_avatar(name)
    pack = live_pack(avatar)
    assert len(pack.data) <= 1_400_000
    own = LiveCanvas(context.new_page(), gzip.decompress(pack.data))
    values = {}
    kinds = {pose.kind: pose for pose in (*extremes(), speech()[5])}
    for kind, pose in kinds.items():
        wanted = python_picture(avatar, pose.motion, yaw=pose.yaw, pitch=pose.pitch)
        drawn = own.draw(rows(pose.motion)[0], SIZE, yaw=math.radians(pose.yaw), pitch=math.radians(pose.pitch))
        values[kind] = likeness(own, drawn, wanted)
    own.page.close()
    assert own.errors == []
    assert len(values) == 7
    assert min(values.values()) >= LEAST, values
    assert np.mean(list(values.values())) >= MEAN, values


# --- the mark -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("corner", ["bottom-right", "bottom-left", "top-right", "top-left"])
def test_the_mark_lies_where_videos_have_it(canvas, corner):
    row = rows(lively_motion())[0]
    canvas.page.evaluate("corner => { face.corner = corner; }", corner)
    marked = canvas.draw(row, SIZE, background=[0.8, 0.8, 0.8]).astype(int)
    left, top, width, height = canvas.last["mark"]
    video = np.full((SIZE, SIZE, 3), 204, np.uint8)
    Mark(SIZE, SIZE, corner).draw(video)
    ys, xs = np.nonzero((video != 204).any(2))
    assert abs(left - xs.min()) <= 8
    assert abs(top - ys.min()) <= 3
    assert abs(width - np.ptp(xs)) <= 12
    inside = marked[top : top + height, left : left + width].mean(2)
    assert inside.min() < 150  # the pill
    assert inside.max() > 190  # the words
    canvas.page.evaluate('() => { face.corner = "bottom-right"; }')


def test_no_option_leaves_the_mark_out(canvas):
    corners = canvas.page.evaluate(
        """async () => {
            const bytes = await (await fetch("/pack")).arrayBuffer(), found = [];
            for (const corner of ["off", "", null, "toString"]) {
                const other = new live.LiveFace(document.createElement("canvas"), bytes, {
                    size: 128, corner, software: true,
                });
                other.draw(new Float32Array(live.ROW));
                found.push([other.corner, other.markArea[2] > 30]);
                other.close();
            }
            return found;
        }"""
    )
    assert corners == [["bottom-right", True]] * 4


# --- when things go wrong -----------------------------------------------------------------------------------------


def test_a_lost_context_comes_back_with_the_same_picture(context, avatar):
    own = LiveCanvas(context.new_page(), made(avatar, 0))
    row = rows(lively_motion())[0]
    before = own.draw(row, SIZE)
    lost = own.page.evaluate(
        """async row => {
            const loser = face.gl.getExtension("WEBGL_lose_context");
            const event = (name) => new Promise((done) => face.canvas.addEventListener(name, done, { once: true }));
            let next = event("webglcontextlost");
            loser.loseContext();
            await next;
            const drawn = face.draw(row);
            next = event("webglcontextrestored");
            setTimeout(() => loser.restoreContext(), 0);
            await next;
            return drawn;
        }""",
        row.tolist(),
    )
    assert lost is False
    np.testing.assert_array_equal(own.draw(row, SIZE), before)
    own.page.close()
    assert own.errors == []


_PACED = """async row => {
    face.resize(128);
    face.draw(row, 0, 0);                                  // a first picture is sorted at once
    const first = face.order.slice(), turned = row.slice();
    turned[60] = 0.5;                                      // the head turns
    const orders = [];
    const told = face.sorting.onOrder;
    const next = new Promise((done) => {
        face.sorting.onOrder = (order) => { told(order); orders.push(order); done(); };
    });
    face.draw(turned, 0, 1000);
    const waited = orders.length;
    face.draw(turned, 0, 1001);                            // too soon for another
    await next;
    const worker = face.order.slice();
    face.sorting.now(face.head, face.corrections.of(turned), live.cameraOf(face.pack, 128, face.view));
    return [waited, orders.length, first.some((n, i) => n !== worker[i]), worker.every((n, i) => n === face.order[i])];
}"""


def test_a_worker_sorts_while_the_page_draws(context, avatar):
    own = LiveCanvas(context.new_page(), made(avatar, 0))
    row = rows(lively_motion())[0].tolist()
    assert own.page.evaluate(_PACED, row) == [0, 2, True, True]
    own.page.close()
    assert own.errors == []


def test_where_no_worker_may_run_the_page_sorts_itself(context, avatar):
    page = context.new_page()
    page.add_init_script("window.Worker = class { constructor() { throw new Error('not allowed'); } };")
    own = LiveCanvas(page, made(avatar, 0))
    row = rows(lively_motion())[0].tolist()
    assert own.page.evaluate(_PACED, row) == [1, 2, True, True]
    own.page.close()
    assert own.errors == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("bytes => bytes.slice(0, 5000)", "cut short"),
        ("bytes => { new Uint8Array(bytes)[4] = 9; return bytes; }", "version 9"),
        ("() => new TextEncoder().encode('<!doctype html><p>Not found').buffer", "not a live avatar"),
        ("() => new ArrayBuffer(0)", "not a live avatar"),
    ],
)
def test_what_is_no_pack_is_named_in_a_sentence(canvas, change, sentence):
    found = canvas.page.evaluate(
        f"""async () => {{
            const bytes = await (await fetch("/pack")).arrayBuffer();
            try {{ live.readPack(({change})(bytes)); return "read"; }} catch (error) {{ return error.message; }}
        }}"""
    )
    assert sentence in found


def test_a_browser_that_draws_in_software_says_so_unless_it_was_asked_to(canvas):
    found = canvas.page.evaluate(
        """async () => {
            const bytes = await (await fetch("/pack")).arrayBuffer();
            try {
                new live.LiveFace(document.createElement("canvas"), bytes);
                return "drawn";
            } catch (error) {
                return error.message;
            }
        }"""
    )
    assert "no graphics processor" in found


# --- fewer pixels where frames are slow ---------------------------------------------------------------------------

_PLAY = """([shown, cost, seconds]) => {
    const resolution = new live.Resolution(shown, 1000 / 30), sides = [resolution.side];
    for (let time = 1; time < 1000 * seconds;) {
        if (resolution.frame(time)) sides.push(resolution.side);
        // What a frame of this side takes, in whole refreshes of a 60 Hz screen, never faster than wanted.
        time += Math.max(2, Math.ceil(cost * resolution.side ** 2 / 512 ** 2 / (1000 / 60))) * (1000 / 60);
    }
    return sides;
}"""


@pytest.mark.parametrize(("cost", "largest"), [(5, 1024), (30, 512), (70, 320), (1000, 256)])
def test_the_picture_is_as_large_as_frames_stay_in_time(canvas, cost, largest):
    sides = canvas.page.evaluate(_PLAY, [1100, cost, 60])
    assert sides[-1] in (largest, _larger(largest))
    assert len(sides) < 20  # it settles
    assert min(sides) >= 256


def test_no_more_pixels_are_drawn_than_shown(canvas):
    assert max(canvas.page.evaluate(_PLAY, [400, 1, 60])) == 384


def test_a_face_whose_frames_come_late_is_drawn_smaller_and_with_its_mark(context, avatar):
    own = LiveCanvas(context.new_page(), made(avatar, 0))
    sizes = own.page.evaluate(
        """row => {
            face.adapt(512);
            const sizes = [face.size];
            for (let i = 1; i < 60; i++) {
                face.draw(row, 0, 100 * i);
                if (face.size !== sizes.at(-1)) sizes.push(face.size);
            }
            face.adapt(300);                   // the page shows it smaller
            return [...sizes, face.size, face.canvas.width, face.markArea[2] > 30];
        }""",
        rows(lively_motion())[0].tolist(),
    )
    own.page.close()
    assert sizes == [512, 448, 384, 320, 256, 256, True]


def _larger(side: int) -> int:
    sides = [256, 320, 384, 448, 512, 640, 768, 1024]
    return sides[min(sides.index(side) + 1, len(sides) - 1)]
