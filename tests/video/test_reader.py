"""Frames of a finished video, as they were written."""

import numpy as np
import pytest

from emotalk.core.errors import VideoError
from emotalk.video import Encoding, VideoWriter
from emotalk.video.reader import read_frames
from tests.video.test_writer import SILENCE


def test_frames_come_back_in_order_and_in_their_colours(tmp_path):
    colours = [(204, 212, 222), (30, 60, 200), (250, 10, 5)]
    with VideoWriter(tmp_path / "a.mp4", 32, 64, encoding=Encoding(quality=8)) as writer:
        for colour in colours:
            writer.write(np.full((64, 32, 3), colour, np.uint8), SILENCE)
    frames = list(read_frames(tmp_path / "a.mp4", 32, 64))
    assert [frame.shape for frame in frames] == [(64, 32, 3)] * 3
    for frame, colour in zip(frames, colours, strict=True):
        assert np.abs(frame.astype(int) - colour).max() <= 3


def test_a_reader_may_be_left_early_and_what_is_no_video_is_told(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", 64, 64) as writer:
        for _ in range(50):
            writer.write(np.zeros((64, 64, 3), np.uint8), SILENCE)
    source = read_frames(tmp_path / "a.mp4", 64, 64)
    next(source)
    source.close()
    (tmp_path / "b.mp4").write_bytes(b"no video")
    with pytest.raises(VideoError, match=r"b\.mp4 cannot be decoded"):
        list(read_frames(tmp_path / "b.mp4", 64, 64))
