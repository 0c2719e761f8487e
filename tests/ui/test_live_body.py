"""The browser's body against Python's, number by number, and what only a live face does."""

from __future__ import annotations

import base64
import dataclasses

import numpy as np
import pytest

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.emotion.expression import behaviour, expression_field
from emotalk.motion.body import Body
from emotalk.motion.body_network import NoiseBank, RhythmTraces, load_body
from emotalk.motion.eye_network import load_eyes
from emotalk.motion.eyes import EyeGenerator
from emotalk.motion.habits import Habits, manner_of
from emotalk.motion.headpose import TEMPO, HeadGenerator
from emotalk.motion.style import MotionStyle
from tests.ui.live_body import QUIET, BodyPage, Recorder, modules_with_doubles, rows_of, talk, who_of

SOMEBODY = Habits(
    pose=(0.08, -0.05, 0.03), size=(0.6, 1.5, 0.8), tempo=1.2, gaze=(0.04, -0.02), wander=0.7, blinks=1.4, brows=0.7
)
MOODS = [(0.0, 0.0), (0.7, 0.6), (-0.8, 0.9), (-0.7, -0.6)]


@pytest.fixture(scope="module")
def browser_body(browser, tmp_path_factory):
    context = browser.new_context()
    opened = BodyPage(context.new_page(), modules_with_doubles(tmp_path_factory.mktemp("live")))
    yield opened
    context.close()
    assert opened.errors == []


def recorder(seed: int) -> Recorder:
    return Recorder(np.random.default_rng(seed))


def moods_over(frames: int) -> np.ndarray:
    """[T, 2] valence and arousal that wander through all four quarters."""
    t = np.arange(frames)[:, None]
    return np.float32(0.8 * np.sin(2 * np.pi * t / [310, 230] + [0.3, 1.1]))


# --- the same numbers as Python's -----------------------------------------------------------------------------------


def test_noises_are_those_of_python(browser_body):
    random = recorder(1)
    bank = NoiseBank(random)
    speeds = np.exp(0.4 * np.sin(np.arange(300) / 20)).tolist()
    wanted = [bank.step(speed * TEMPO).ravel() for speed in speeds]
    found, left = browser_body(
        """([drawn, speeds]) => {
            const random = replay(drawn), bank = new live.NoiseBank(random, pack.meta.body.noise);
            return [speeds.map((speed) => Array.from(bank.step(speed))), random.left()];
        }""",
        [random.drawn, speeds],
    )
    np.testing.assert_allclose(found, wanted, atol=1e-9)
    assert left == 0


def test_traces_of_the_rhythm_are_those_of_python(browser_body):
    beats, traces = talk(500), RhythmTraces()
    assert sum(beat.phrase_end for beat in beats) > 4
    assert sum(beat.nod > 0 for beat in beats) >= 10
    found = browser_body(
        """(rows) => {
            const traces = new live.RhythmTraces(pack.meta.body.traces);
            return rows.map((row) => Array.from(traces.step(live.rhythmOf(row, 0))));
        }""",
        rows_of(beats),
    )
    np.testing.assert_allclose(found, [traces.step(beat) for beat in beats], atol=1e-9)


def test_what_a_mood_does_to_the_body_is_as_in_python(browser_body):
    side = np.linspace(-1, 1, 9)
    va = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    wanted = behaviour(va)
    found = browser_body(
        "(va) => va.map(([v, a]) => live.behaviourOf(v, a, pack.meta.body.mood))", va.astype(float).tolist()
    )
    assert set(found[0]) == set(vars(wanted))
    for name, values in vars(wanted).items():
        np.testing.assert_allclose([mood[name] for mood in found], values, atol=1e-6)


def test_head_and_brows_are_those_of_python(browser_body):
    beats, va, random = talk(500), moods_over(500), recorder(2)
    manner = manner_of(MotionStyle(head_energy=1.3, brows=0.4), SOMEBODY)
    head = HeadGenerator(random, load_body(), manner)
    mood = behaviour(va)
    wanted = [np.concatenate(head.step(beat, mood, i)) for i, beat in enumerate(beats)]
    found, left = browser_body(
        """([drawn, rows, va, manner]) => {
            const random = replay(drawn), head = new live.HeadGenerator(random, pack);
            const own = { nod: 0, lift: 0, turn: [0, 0] };
            const frames = rows.map((row, i) => {
                const mood = live.behaviourOf(...va[i], pack.meta.body.mood);
                const { pose, brows } = head.step(live.rhythmOf(row, 0), mood, manner, own);
                return [...pose, ...brows];
            });
            return [frames, random.left()];
        }""",
        [random.drawn, rows_of(beats), va.astype(float).tolist(), dataclasses.asdict(manner)],
    )
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert left == 0


@pytest.mark.parametrize("mood", MOODS)
def test_gaze_and_blinks_are_those_of_python(browser_body, mood):
    frames = 2000
    beats, eyes = talk(frames), load_eyes()
    gaze_random, blink_random = recorder(3), recorder(4)
    generator = EyeGenerator(gaze_random, blink_random, eyes, 1.2, 1.1)
    felt = behaviour(np.tile(np.float32(mood), (frames, 1)))
    head = 0.1 * np.sin(np.arange(frames)[:, None] / [15, 21, 40])
    wanted = []
    for i, beat in enumerate(beats):
        place, blink = generator.step(beat, felt, i, head[i])
        wanted.append([*place, blink])
    found, left = browser_body(
        """([gazed, blinked, rows, [v, a], heads]) => {
            const gaze = replay(gazed), blink = replay(blinked), mood = live.behaviourOf(v, a, pack.meta.body.mood);
            const eyes = new live.EyeGenerator({ gaze, blink }, pack), who = { gaze_wander: 1.2, blink_rate: 1.1 };
            const frames = rows.map((row, i) => {
                const seen = eyes.step(live.rhythmOf(row, 0), mood, who, heads[i], null);
                return [...seen.gaze, seen.blink];
            });
            return [frames, gaze.left() + blink.left()];
        }""",
        [gaze_random.drawn, blink_random.drawn, rows_of(beats), list(mood), head.tolist()],
    )
    found, wanted = np.array(found), np.array(wanted)
    assert (np.linalg.norm(np.diff(wanted[:, :2], axis=0), axis=1) > np.radians(2)).sum() > 30
    assert (np.diff(wanted[:, 2] > 0.5) > 0).sum() > 10
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert left == 0


PEOPLE = [
    (MotionStyle(), Habits()),
    (MotionStyle.random(3), Habits()),
    (MotionStyle(face=0, brows=-1.5, sideways=2.0, blink_rate=0.0), Habits()),
    (MotionStyle(), SOMEBODY),
]


@pytest.mark.parametrize(("style", "habits"), PEOPLE, ids=["average", "drawn", "unblinking", "recorded"])
def test_a_whole_body_is_that_of_python(browser_body, monkeypatch, style, habits):
    frames = 600
    beats, va = talk(frames, seed=5), moods_over(frames)
    face = expression_field(va[:, 0], va[:, 1], style.gains)
    face[:, ARKIT_INDEX["jawOpen"]] += np.float32([0.6 * beat.loudness for beat in beats])
    random = np.random.default_rng
    recorders: list[Recorder] = []

    def recorded(seed):
        recorders.append(Recorder(random(seed)))
        return recorders[-1]

    monkeypatch.setattr(np.random, "default_rng", recorded)
    body = Body(load_eyes(), load_body(), style, 11, habits)
    monkeypatch.undo()
    wanted = body.play(face, beats, va)
    found, left = browser_body(
        """([drawn, who, faces, rows, va]) => {
            const [gaze, blink, head] = drawn.map(replay), body = new live.Body(pack, who, { gaze, blink, head });
            const out = new Float32Array(live.ROW);
            const frames = rows.map((row, i) => (
                Array.from(body.step(Float32Array.from(faces[i]), Float32Array.from(row), 0, ...va[i], out))
            ));
            return [frames, gaze.left() + blink.left() + head.left()];
        }""",
        [
            [r.drawn for r in recorders],
            who_of(style, habits=habits),
            face.astype(float).tolist(),
            rows_of(beats),
            va.tolist(),
        ],
    )
    wanted = np.concatenate([wanted.expression, wanted.jaw, wanted.gaze, wanted.eyelids, wanted.head_pose], 1)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert left == 0


# --- chance ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chances(browser_body) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """100 000 numbers of each kind of one seed, and 1000 of a neighbour."""
    script = """([seed, part, kind, count]) => {
        const chance = new live.Chance(seed, part);
        return Array.from({ length: count }, () => chance[kind]());
    }"""
    asked = [(7, 0, "uniform", 100_000), (7, 0, "normal", 100_000), (7, 1, "uniform", 1000)]
    return tuple(np.array(browser_body(script, list(one))) for one in asked)


def test_uniform_numbers_fill_zero_to_one_evenly_and_never_repeat(chances):
    values = chances[0]
    assert 0 <= values.min() < 1e-4
    assert 1 - 1e-4 < values.max() < 1
    assert len(np.unique(values)) == len(values)
    counts, _ = np.histogram(values, 100, (0, 1))
    assert ((counts - 1000) ** 2 / 1000).sum() < 150  # chi squared of 99 degrees; 0.07 % lie above
    for lag in (1, 2, 3, 7):
        assert abs(np.corrcoef(values[:-lag], values[lag:])[0, 1]) < 0.013


def test_normal_numbers_have_mean_zero_and_spread_one(chances):
    values = chances[1]
    assert abs(values.mean()) < 0.013
    assert abs(values.std() - 1) < 0.01
    assert abs((values**3).mean()) < 0.035
    assert abs((values**4).mean() - 3) < 0.15
    assert 3.5 < np.abs(values).max() < 6
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.013


def test_a_seed_is_always_the_same_and_its_parts_have_nothing_in_common(browser_body, chances):
    again = browser_body("() => { const c = new live.Chance(7, 0); return [c.uniform(), c.uniform()]; }")
    assert again == chances[0][:2].tolist()
    assert abs(np.corrcoef(chances[0][:1000], chances[2])[0, 1]) < 0.13
    near = browser_body("() => Array.from({ length: 500 }, (_, seed) => new live.Chance(seed).uniform())")
    assert len(set(near)) == 500
    assert abs(np.mean(near) - 0.5) < 0.06
    assert abs(np.corrcoef(near[:-1], near[1:])[0, 1]) < 0.18


# --- a living face --------------------------------------------------------------------------------------------------

GAZE, LIDS, HEAD = slice(55, 57), slice(57, 59), slice(59, 65)
_LIVE = """([who, seed, setup, rows, frames]) => {
    const life = new live.Life(pack, who, seed), found = new Float32Array(frames * live.ROW);
    const act = new Function("life", "i", setup);
    for (let i = 0; i < frames; i++) {
        const { pointer = null, mood = [0, 0] } = act(life, i) ?? {};
        const row = rows[i] ? Float32Array.from(rows[i]) : null;
        found.set(life.frame(row, 0, ...mood, { pointer }), i * live.ROW);
    }
    return base64(found);
}"""


def live(page, frames: int, setup: str, seed: int = 0, rows=(), style: MotionStyle | None = None) -> np.ndarray:
    """[T, 65] of a Life; `setup` runs before each frame i and may return {pointer, mood}; rows of speech code [58]."""
    arguments = [who_of(style or MotionStyle()), seed, setup, list(rows), frames]
    return np.frombuffer(base64.b64decode(page(_LIVE, arguments)), np.float32).reshape(frames, 65).astype(float)


def in_the_world(motion: np.ndarray) -> np.ndarray:
    """Where the eyes look [T, 2] (yaw, pitch) when the head's turn is counted."""
    return motion[:, GAZE] + motion[:, [60, 59]] * [1, -1]


def spoken_rows(beats, jaw: float = 0.5) -> list[list[float]]:
    """Rows for the simple mouth: a face [52] whose jaw follows the loudness, then the rhythm [6]."""
    rows = []
    for beat in beats:
        face = np.zeros(52)
        face[ARKIT_INDEX["jawOpen"]] = jaw * beat.loudness
        rows.append([*face, *map(float, beat.row())])
    return rows


def test_the_same_seed_lives_in_the_same_way_and_another_in_another(browser_body):
    first, again, other = (live(browser_body, 100, "life.alive = true;", seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other)[:, HEAD].max() > 0.005


def test_without_being_alive_it_is_the_body_of_python_alone(browser_body):
    plain = live(browser_body, 300, "", 4)
    pointed = live(browser_body, 300, "life.listening = true; life.heard(0.5); return { pointer: [0.3, 0.1] };", 4)
    np.testing.assert_array_equal(plain, pointed)


def test_what_was_alive_goes_to_rest_without_a_jump(browser_body):
    setup = "life.alive = i >= 40 && i < 120; return { pointer: [0.3, 0.1] };"
    for seed in range(4):
        rested, plain = live(browser_body, 400, setup, seed), live(browser_body, 400, "", seed)
        np.testing.assert_array_equal(rested[:40], plain[:40])
        apart = (rested - plain)[:, HEAD]
        assert np.abs(apart[:, 1]).max() > 0.02
        assert np.abs(np.diff(apart, axis=0)).max() < 0.01
        assert np.abs(apart[-1]).max() < 1e-3


def test_an_idle_face_never_stands_still_and_blinks(browser_body):
    motion = live(browser_body, 1500, "life.alive = true;")
    assert (np.ptp(motion[:, HEAD].reshape(30, 50, 6), axis=1)[:, :3].max(1) > np.radians(0.15)).all()
    closed = motion[:, LIDS].mean(1) > 0.5
    assert 8 <= (np.diff(closed.astype(int)) > 0).sum() <= 30
    assert np.ptp(motion[:, ARKIT_INDEX["browInnerUp"]]) > 0.01


@pytest.mark.parametrize(("arousal", "least", "most"), [(-1, 13.5, 15), (0, 15.5, 16.5), (1, 17, 18.5)])
def test_it_breathes_quicker_when_aroused(browser_body, arousal, least, most):
    mood = f"return {{ mood: [0, {arousal}] }};"
    breath = live(browser_body, 3000, f"life.alive = true; {mood}")[:, 63] - live(browser_body, 3000, mood)[:, 63]
    assert 0.0008 < np.ptp(breath) < 0.0014
    rises = (np.diff(np.sign(breath - breath.mean())) > 0).sum()
    assert least <= rises / 2 <= most  # two minutes
    assert np.abs(np.diff(breath)).max() < 1.2e-4


PLACES = [(0.2, 0.05), (-0.25, -0.1), (0.1, 0.12), (-0.08, 0.0), (0.3, -0.15)]


@pytest.mark.parametrize("place", PLACES)
def test_a_pointer_that_comes_is_looked_at_within_a_second(browser_body, place):
    for seed in range(8):
        setup = f"life.alive = true; return {{ pointer: i < 50 ? null : {list(place)} }};"
        motion = live(browser_body, 90, setup, seed)
        far = np.degrees(np.linalg.norm(in_the_world(motion) - place, axis=1))
        landed = np.flatnonzero(far[50:] < 1.5)
        assert len(landed)
        assert 4 <= landed[0] <= 25, (seed, landed)  # never at once: nobody reacts within a tenth of a second
        assert far[50 + landed[0] : 58 + landed[0]].max() < 1.5  # and rests there


def test_eyes_reach_a_pointer_before_the_head_which_goes_a_third_of_the_way(browser_body):
    gone = []
    for seed in range(12):
        still = live(browser_body, 80, "life.alive = true;", seed)
        drawn = live(browser_body, 80, "life.alive = true; return { pointer: i < 20 ? null : [0.3, 0] };", seed)
        turn = (drawn - still)[:, 60]
        landed = np.flatnonzero(np.abs(in_the_world(drawn)[20:, 0] - 0.3) < 0.026)[0] + 20
        assert turn[landed] < 0.03
        assert np.abs(np.diff(turn)).max() < np.radians(0.6)
        gone.append(turn.max())
    assert 0.05 < np.median(gone) < 0.1


def test_a_pointer_that_rests_is_looked_at_more_than_elsewhere_but_not_stared_at(browser_body):
    shares = []
    for seed in range(6):
        motion = live(browser_body, 1500, "life.alive = true; return { pointer: [0.25, 0.05] };", seed)
        place = in_the_world(motion)
        near = [np.linalg.norm(place - spot, axis=1) < np.radians(2.5) for spot in ([0.25, 0.05], [-0.25, 0.05])]
        shares.append([share.mean() for share in near])
    there, elsewhere = np.mean(shares, 0)
    assert 0.1 < there < 0.5
    assert there > 4 * elsewhere


def test_a_slow_pointer_is_followed_smoothly(browser_body):
    setup = "life.alive = true; return { pointer: [0.1 + 0.003 * i, 0] };"  # 4 degrees a second
    far = []
    for seed in range(6):
        motion = live(browser_body, 40, setup, seed)
        wanted = 0.1 + 0.003 * np.arange(40)
        landed = np.flatnonzero(np.abs(in_the_world(motion)[:, 0] - wanted) < 0.02)[0]
        far.append(np.abs(in_the_world(motion)[:, 0] - wanted)[landed : landed + 8].max())
    assert np.median(far) < np.radians(1.5)


def test_a_pointer_that_never_rests_becomes_boring(browser_body):
    setup = """life.alive = true;
    return { pointer: [0.3 * Math.sin(i / 4), 0.15 * Math.cos(i / 5)] };"""
    early, late = [], []
    for seed in range(6):
        motion = live(browser_body, 1000, setup, seed)
        jumps = np.linalg.norm(np.diff(in_the_world(motion), axis=0), axis=1) > np.radians(2)
        early.append(jumps[:75].mean())
        late.append(jumps[250:].mean())
    assert np.mean(late) < 0.6 * np.mean(early)


# The visitor speaks for 1.6 s and pauses for 0.6 s.
VISITOR = "life.alive = true; life.listening = %s; life.heard(i %% 55 < 40 ? 0.5 + 0.2 * Math.sin(i) : 0.02);"


def test_a_listener_looks_at_the_visitor_most_of_the_time(browser_body):
    shares = {}
    for listening in ("true", "false"):
        looks = [in_the_world(live(browser_body, 1500, VISITOR % listening, seed)) for seed in range(4)]
        shares[listening] = np.mean([np.linalg.norm(look, axis=1) < np.radians(6) for look in looks])
    assert shares["true"] > 0.8
    assert shares["true"] > shares["false"] + 0.1


def test_a_listener_nods_a_little_where_the_visitor_pauses(browser_body):
    for seed in range(4):
        heard = live(browser_body, 1500, VISITOR % "true", seed)
        plain = live(browser_body, 1500, VISITOR % "false", seed)
        pitch = np.degrees((heard - plain)[:, 59])
        begins = np.flatnonzero((pitch[1:] > 0.05) & (pitch[:-1] <= 0.05))
        apart = np.diff(begins[np.diff(begins, prepend=-100) > 25])  # a second stroke belongs to the first
        assert 2 <= np.median(apart) / 25 <= 4.5
        assert 0.3 < pitch.max() < 4.0
        assert ((begins % 55 >= 40) | (begins % 55 < 25)).mean() > 0.8
        brow = (heard - plain)[:, ARKIT_INDEX["browInnerUp"]]
        assert 0.03 < brow.max() < 0.3


def test_nobody_nods_at_silence(browser_body):
    setup = "life.alive = true; life.listening = %s; life.heard(0.01);"
    heard, plain = (live(browser_body, 500, setup % listening) for listening in ("true", "false"))
    np.testing.assert_array_equal(heard[:, HEAD], plain[:, HEAD])


def test_posture_never_jumps_when_talk_starts_or_is_cut(browser_body):
    beats = talk(400, seed=8)
    for seed in range(5):
        cut = next(i for i in range(150, 400) if beats[i].stress > 0.5)  # within a stressed syllable
        rows = [None] * 100 + spoken_rows(beats[:cut]) + [None] * 100
        motion = live(browser_body, len(rows), "life.alive = true;", seed, rows)
        speed = 25 * np.degrees(np.abs(np.diff(motion[:, 59:62], axis=0)).max(1))
        shift = 25 * np.abs(np.diff(motion[:, 62:65], axis=0)).max(1)
        for edge in (100, 100 + cut):
            around = slice(edge - 3, edge + 4)
            assert speed[around].max() < 50  # a nod, the quickest thing a head does here, has 60
            assert shift[around].max() < 0.1  # as between its edges
        assert speed[96:103].max() < 12  # before the first nod
        face = np.abs(np.diff(motion[:, :55], axis=0))[98 + cut : 108 + cut].max()
        assert face < 0.2


def test_a_cut_word_goes_over_into_silence_within_a_quarter_of_a_second(browser_body):
    jaw = ARKIT_INDEX["jawOpen"]
    rows = spoken_rows([QUIET] * 10)
    for row in rows:
        row[jaw] = 0.8
    motion = live(browser_body, 30, "", 0, rows)[:, jaw]
    assert motion[9] == pytest.approx(0.8)
    assert (np.diff(motion[9:]) <= 1e-9).all()
    assert np.abs(np.diff(motion[9:])).max() < 0.25
    assert motion[16] == 0
