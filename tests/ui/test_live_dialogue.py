"""Turns of a conversation with a face that a test moves by hand: who speaks, what is sent, when a sentence is shown."""

from __future__ import annotations

import pytest

from tests.ui.live_modules import LiveModules

_RIG = """() => {
    // A face whose voice says what the test sets, a recognition that hears what the test says.
    window.rig = () => {
        const life = { listening: false, levels: [], heard(x) { this.levels.push(x); } };
        const r = { told: [], sent: [], hushed: [], life };
        r.living = {
            actor: { life: r.life },
            voice: null,
            hush() {
                if (!this.voice) return;
                this.voice.closed = "stopped";
                r.end();
            },
            say(wish, path, more) {
                this.hush();
                r.sent.push([path, wish]);
                r.more = more;
                this.voice = { frame: 0, closed: null };
                r.dialogue.voice("waiting");
            },
        };
        r.end = (closed) => {
            if (closed) r.living.voice.closed = closed;
            r.living.voice = null;
            r.hushed.push(r.dialogue.state);
            r.dialogue.voice("silent");
        };
        // So many seconds of it are heard.
        r.sound = (seconds) => {
            r.living.voice.frame = 25 * seconds;
            r.dialogue.voice("speaking");
        };
        r.of = (event) => r.told.filter(([name]) => name === event).map(([, detail]) => detail);
        r.ears = [];
        r.Recognition = class {
            constructor() { r.ears.push(this); this.log = []; }
            start() { this.log.push("start"); }
            abort() { this.log.push("abort"); }
            says(words, isFinal) { this.onresult({ results: [Object.assign([{ transcript: words }], { isFinal })] }); }
        };
        r.Microphone = class {
            constructor(hear, fail) { Object.assign(this, { hear, fail }); r.microphone = this; }
            async open() { return { sampleRate: 48000 }; }
            close() { this.closed = true; }
        };
        // Samples of something like speech, or of silence.
        r.hear = (seconds, loud) => {
            for (let at = 0; at < seconds * 48000; at += 1024) {
                const piece = Float32Array.from({ length: 1024 }, (_, i) => {
                    const t = (at + i) / 48000;
                    const beat = 0.55 + 0.45 * Math.sin(6.28 * 9 * t);
                    return loud * beat * Math.sin(6.28 * 500 * t) + 1e-4 * Math.sin(i * i);
                });
                r.microphone.hear({ began: 0, piece });
            }
        };
        const wish = async () => ({ avatar: "mira", valence: 0.5 });
        const { Recognition, Microphone } = r, told = (...news) => r.told.push(news);
        r.dialogue = new live.Dialogue(r.living, wish, told, { Recognition, Microphone, language: "en-GB" });
        return r;
    };
}"""


@pytest.fixture(scope="module")
def page(browser):
    context = browser.new_context()
    modules = LiveModules(context.new_page(), "dialogue")
    modules.run(_RIG)
    yield modules
    context.close()
    assert modules.errors == []


def run(page, steps: str):
    return page.run(f"async () => {{ const r = rig(), d = r.dialogue; {steps} }}")


def test_a_turn_goes_from_idle_over_thinking_to_speaking_and_back(page) -> None:
    states, asked, sent = run(
        page,
        """await d.ask("  Hello?  "); r.more.text({ text: "Hi.", start: 0 }); r.sound(0.1); r.end("over");
        return [r.of("state"), r.of("asked"), r.sent];""",
    )
    assert states == ["thinking", "speaking", "idle"]
    assert asked == ["Hello?"]
    assert sent == [["converse", {"avatar": "mira", "valence": 0.5, "text": "Hello?", "fresh": True}]]


def test_a_sentence_is_shown_when_it_is_heard_and_not_before(page) -> None:
    found = run(
        page,
        """await d.ask("Go on.");
        const seen = [];
        const look = () => seen.push(r.of("said").length);
        r.more.text({ text: "One.", start: 0 }); r.more.text({ text: "Two.", start: 1.5 }); look();
        r.sound(0.2); look();
        r.more.text({ text: "Three.", start: 3 });
        r.living.voice.frame = 25 * 1.4; await new Promise((done) => setTimeout(done, 100)); look();
        r.living.voice.frame = 25 * 1.6; await new Promise((done) => setTimeout(done, 100)); look();
        r.end("over"); look();
        return [seen, r.of("said"), r.of("broken").length];""",
    )
    assert found == [[0, 1, 1, 2, 3], ["One.", "Two.", "Three."], 0]


def test_typing_silences_a_face_that_speaks_in_the_same_moment(page) -> None:
    found = run(
        page,
        """await d.ask("Go on."); r.more.text({ text: "One.", start: 0 }); r.more.text({ text: "Two.", start: 5 });
        r.sound(2);
        d.typed();
        const at = [r.hushed.length, r.living.voice, d.state, r.life.listening, r.of("broken").length, r.of("said")];
        await d.ask("Stop."); r.more.text({ text: "Oh.", start: 0 });
        await d.ask("And?");
        return [at, r.sent.map(([, wish]) => [wish.text, wish.heard ?? null, wish.fresh ?? null])];""",
    )
    assert found[0] == [1, None, "listening", True, 1, ["One."]]
    # The second answer was cut before any of it sounded.
    assert found[1] == [["Go on.", None, True], ["Stop.", 2, None], ["And?", 0, None]]


def test_an_answer_that_was_heard_to_its_end_is_not_told_of(page) -> None:
    sent = run(
        page,
        """await d.ask("a"); r.more.text({ text: "One.", start: 0 }); r.sound(1); r.end("over");
        await d.ask("b"); r.end("failed"); await d.ask("c");
        return r.sent.map(([, wish]) => wish.heard ?? null);""",
    )
    assert sent == [None, None, None]


def test_to_forget_is_asked_for_until_there_was_an_answer(page) -> None:
    sent = run(
        page,
        """await d.ask("a"); r.end("failed"); await d.ask("b"); r.more.text({ text: "One.", start: 0 }); r.end("over");
        await d.ask("c"); r.more.text({ text: "One.", start: 0 }); r.sound(0.5); d.anew();
        await d.ask("d");
        return [r.sent.map(([, { fresh, heard }]) => [fresh ?? null, heard ?? null]), r.hushed.at(-1)];""",
    )
    assert sent == [[[True, None], [True, None], [None, None], [True, None]], "speaking"]


def test_nothing_is_no_turn_and_too_much_is_cut(page) -> None:
    found = run(
        page,
        """const none = await d.ask("   "); await d.ask("x".repeat(5000));
        return [none, r.sent.length, r.sent[0][1].text.length];""",
    )
    assert found == [False, 1, 2000]


def test_it_listens_while_the_visitor_types_and_attends_while_it_thinks(page) -> None:
    found = run(
        page,
        """const seen = [];
        d.typed(); seen.push([d.state, r.life.listening, r.life.levels.length]);
        await d.ask("Hm."); seen.push([d.state, r.life.listening]);
        await new Promise((done) => setTimeout(done, 1100)); seen.push(r.life.listening);
        await new Promise((done) => setTimeout(done, 1000)); seen.push(r.life.listening);
        r.more.text({ text: "One.", start: 0 }); r.sound(0); seen.push([d.state, r.life.listening]);
        r.end("over"); seen.push([d.state, r.life.listening]);
        return seen;""",
    )
    assert found == [
        ["listening", True, 1], ["thinking", True], False, True, ["speaking", False], ["idle", False],
    ]  # fmt: skip


def test_a_spoken_turn_is_shown_as_it_is_heard_and_sent_by_itself(page) -> None:
    found = run(
        page,
        """await d.listen(); const first = r.ears[0];
        first.says("how are", false); first.says("how are you", true);
        await null; await null;
        const was = [first.lang, first.interimResults, r.of("words"), r.sent[0][1].text, d.state];
        r.more.text({ text: "Fine.", start: 0 }); r.sound(0);
        const meanwhile = [first.log, r.ears.length];
        first.says("Fine", true);   // the browser wrote down what the face said
        r.end("over");
        return [was, meanwhile, r.sent.length, r.ears.length, r.ears[1].log, d.state];""",
    )
    assert found[0] == ["en-GB", True, ["how are"], "how are you", "thinking"]
    assert found[1] == [["start", "abort"], 1]
    assert found[2:] == [1, 2, ["start"], "listening"]


def test_a_voice_in_the_microphone_silences_a_face_that_speaks_and_a_hiss_does_not(page) -> None:
    found = run(
        page,
        """await d.listen(); r.hear(1, 0);
        await d.ask("Go on."); r.more.text({ text: "One.", start: 0 }); r.sound(1);
        r.hear(1, 0); const still = d.state;
        r.hear(0.15, 0.2);
        return [still, d.state, r.hushed, r.of("broken").length, r.ears.length, d.heard];""",
    )
    assert found == ["speaking", "listening", ["speaking"], 1, 2, 1]


def test_the_face_hears_how_loud_the_visitor_is_while_it_listens(page) -> None:
    quiet, loud, speaking = run(
        page,
        """await d.listen(); r.hear(1, 0); const quiet = r.life.levels.length;
        r.hear(0.5, 0.2); const loud = Math.max(...r.life.levels);
        await d.ask("Go on."); r.sound(1); r.life.levels = []; d.begin = () => {}; r.hear(0.3, 0.2);
        return [quiet, loud, r.life.levels.length];""",
    )
    assert quiet == 0
    assert 0.5 < loud <= 1
    assert speaking == 0


@pytest.mark.parametrize(
    ("error", "said"),
    [("not-allowed", "does not allow"), ("network", "cannot be reached"), ("language-not-supported", "language")],
)
def test_recognition_that_fails_gives_the_microphone_back_with_a_sentence(page, error: str, said: str) -> None:
    sentences, ears, closed, state = run(
        page,
        f"""await d.listen(); r.ears[0].onerror({{ error: "{error}" }});
        return [r.of("failed"), r.of("ear"), r.microphone.closed, d.state];""",
    )
    assert len(sentences) == 1
    assert said in sentences[0]
    assert (ears, closed, state) == ([True, False], True, "idle")


def test_recognition_that_ends_in_silence_begins_again(page) -> None:
    found = run(
        page,
        """await d.listen(); r.ears[0].onerror({ error: "no-speech" }); r.ears[0].onend();
        await new Promise((done) => setTimeout(done, 300));
        const again = r.ears.length;
        d.leave(); r.ears[1].onend?.();
        await new Promise((done) => setTimeout(done, 300));
        return [again, r.ears.length, r.ears[1].log, r.microphone.closed, r.of("failed"), d.state];""",
    )
    assert found == [2, 2, ["start", "abort"], True, [], "idle"]
