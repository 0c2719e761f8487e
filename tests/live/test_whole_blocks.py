"""Every piece of a growing mp4 ends where a browser's block ends, and plays as before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotalk.live.whole_blocks import BLOCK, filled, in_whole_blocks
from emotalk.video import VideoWriter
from emotalk.video.reader import read_frames


@given(st.integers(0, 3 * BLOCK))
def test_what_is_added_is_one_box_without_content(size: int) -> None:
    piece = bytes(size)
    whole = filled(piece)
    added = whole[size:]
    assert whole[:size] == piece
    assert len(whole) % BLOCK == 0
    assert len(added) < BLOCK + 8
    if added:
        assert int.from_bytes(added[:4], "big") == len(added)
        assert added[4:8] == b"free"
        assert not any(added[8:])


@pytest.mark.parametrize("short", range(1, 8))
def test_where_no_header_fits_the_box_is_a_block_longer(short: int) -> None:
    assert len(filled(bytes(BLOCK - short))) == 2 * BLOCK


def test_a_film_of_filled_pieces_has_the_frames_of_the_plain_one(tmp_path: Path) -> None:
    plain, whole = [], []
    with VideoWriter(None, 64, 64, on_piece=lambda piece: (plain.append(piece), whole.append(filled(piece)))) as writer:
        for frame in range(30):
            writer.write(np.full((64, 64, 3), 8 * frame, np.uint8), np.zeros(640, np.float32))
    assert len(plain) > 2
    films = []
    for name, pieces in (("plain.mp4", plain), ("whole.mp4", whole)):
        (tmp_path / name).write_bytes(b"".join(pieces))
        films.append(np.stack(list(read_frames(tmp_path / name, 64, 64))))
    assert np.array_equal(*films)


def test_a_talk_gives_whole_pieces_where_somebody_takes_them() -> None:
    asked: list[dict] = []

    def talk(request: str, target: str, **options) -> str:
        asked.append(options)
        if options["on_piece"] is not None:
            options["on_piece"](b"piece")
        return request + target

    taken: list[bytes] = []
    whole = in_whole_blocks(talk)
    assert whole("a", "b", on_piece=taken.append, progress=None) == "ab"
    assert taken == [filled(b"piece")]
    assert whole("a", "b") == "ab"
    assert asked[1] == {"on_piece": None}
