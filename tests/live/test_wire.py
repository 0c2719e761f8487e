"""Records of a live stream: bytes that say what went in, and nothing else is taken for one."""

import numpy as np
import pytest

from emotalk.core.errors import InputError
from emotalk.live import wire


def test_a_record_is_a_kind_a_length_and_a_payload():
    assert wire.remark("é") == b'R\x0f\x00\x00{"remark":"\xc3\xa9"}'
    assert wire.sound(np.float32([0, 1, -1])) == b"A\x06\x00\x00" + b"\x00\x00\xff\x7f\x01\x80"
    assert wire.code(np.float32([[1.0, -2.0]])) == b"M\x04\x00\x00" + b"\x00\x3c\x00\xc0"


def test_what_was_written_is_read():
    rows = np.random.default_rng(0).standard_normal((3, wire.ROW.size)).astype(np.float16).astype(np.float32)
    samples = np.linspace(-1, 1, 7, dtype=np.float32)
    stream = [
        wire.head({"size": 1.5}, True), wire.sound(samples), wire.code(rows), wire.moods(7, np.float32([[0.5, -1]])),
        wire.words([(0.1, 0.25, "Grüße")]), wire.text("Grüße.", 0.12345), wire.remark("so"), wire.end(0.5),
        wire.error("no"),
    ]  # fmt: skip
    found = [(kind, wire.content(kind, payload)) for kind, payload in wire.records(b"".join(stream))]
    assert "".join(kind for kind, _ in found) == wire.KINDS
    said = [content for _, content in found]
    assert said[0] == {
        "version": 1, "rate": 16000, "fps": 25, "row": 173, "who": {"size": 1.5}, "words": True,
    }  # fmt: skip
    np.testing.assert_allclose(said[1], samples, atol=1 / 32767)
    np.testing.assert_array_equal(said[2], rows)
    assert said[3:] == [
        {"first": 7, "values": [[0.5, -1.0]]}, {"words": [[0.1, 0.25, "Grüße"]]},
        {"text": "Grüße.", "start": 0.123}, {"remark": "so"}, {"seconds": 0.5}, {"error": "no"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "why"), [(b"Z\x00\x00\x00", "no live stream"), (b"M\x08\x00\x00abc", "ends within"), (b"M\x08", "ends")]
)
def test_what_is_no_stream_is_refused(data, why):
    with pytest.raises(InputError, match=why):
        list(wire.records(data))


@pytest.mark.parametrize(("kind", "payload"), [("M", b"123"), ("A", b"1"), ("E", b"{"), ("R", b"\xff")])
def test_a_damaged_payload_is_refused(kind, payload):
    with pytest.raises(InputError, match="damaged"):
        wire.content(kind, payload)


def test_what_fits_no_record_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="kinds"):
        wire.record("Q", b"")
    with pytest.raises(ValueError, match="in parts"):
        wire.record("A", bytes(wire.LONGEST + 1))
