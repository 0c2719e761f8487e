import errno
import io
import struct
import subprocess
import tracemalloc
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from emotalk.core.errors import AudioError
from emotalk.core.rates import SAMPLE_RATE
from emotalk.speech import decoding
from emotalk.speech.audio import load_audio, stream_audio
from emotalk.speech.decoding import sound_seconds
from emotalk.speech.loudness import TARGET_DB, Leveller, loudness, normalise
from emotalk.speech.resampling import Resampler


def syllables(seconds: float, rate: int = SAMPLE_RATE, level: float = 0.2) -> np.ndarray:
    """A buzz of 150 Hz that comes and goes four times a second; nothing above 4 kHz."""
    t = np.arange(round(seconds * rate)) / rate
    buzz = sum(np.sin(2 * np.pi * 150 * k * t + k * k) / k for k in range(1, 20))
    return (level * buzz * (0.55 - 0.45 * np.cos(2 * np.pi * 4 * t))).astype(np.float32)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    n = min(len(a), len(b))
    return float(np.corrcoef(a[:n], b[:n])[0, 1])


def ffmpeg(*arguments: str | Path) -> None:
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)], check=True)


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "original.wav"
    soundfile.write(path, syllables(3, 48000), 48000, subtype="FLOAT")
    return path


# What is taken


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_any_rate_and_number_of_channels_gives_the_same_speech(tmp_path, rate, channels):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.repeat(syllables(1, rate)[:, None], channels, axis=1), rate, subtype="PCM_24")
    loaded = load_audio(path)
    assert loaded.samples.dtype == np.float32
    assert len(loaded.samples) == SAMPLE_RATE
    assert correlation(loaded.samples, load_audio(syllables(1), SAMPLE_RATE).samples) > 0.999


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "IMA_ADPCM"])
def test_any_bit_depth_of_wav(tmp_path, subtype):
    path = tmp_path / "a.wav"
    soundfile.write(path, syllables(1), SAMPLE_RATE, subtype=subtype)
    assert correlation(load_audio(path).samples, load_audio(syllables(1), SAMPLE_RATE).samples) > 0.99


@pytest.mark.parametrize(
    "name",
    ["a.flac", "a.mp3", "a.m4a", "a.ogg", "a.opus", "a.webm", "a.mkv", "a.aiff", "a.wma", "a.ac3", "a.caf", "a.ts"],
)
def test_compressed_formats_keep_speech_and_timing(tmp_path, original, name):
    ffmpeg("-i", original, "-b:a", "96k", *(["-c:a", "libopus"] if name == "a.webm" else []), tmp_path / name)
    loaded, wanted = load_audio(tmp_path / name).samples, load_audio(original).samples
    # Some containers keep the encoder's padding: up to 60 ms, and no other distortion.
    lag = np.arange(-960, 961, 4)
    middle = wanted[8000:40000]
    best = max(correlation(loaded[8000 + k : 40000 + k], middle) for k in lag)
    assert best > 0.97
    assert abs(len(loaded) - len(wanted)) < 0.12 * SAMPLE_RATE


def test_the_bytes_of_a_file_are_taken_even_with_the_index_at_the_end(tmp_path, original):
    path = tmp_path / "a.m4a"
    ffmpeg("-i", original, "-movflags", "0", path)
    data = path.read_bytes()
    assert data.index(b"mdat") < data.index(b"moov")
    np.testing.assert_array_equal(load_audio(data).samples, load_audio(path).samples)


def test_a_video_gives_its_sound_track(tmp_path, original):
    path = tmp_path / "a.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=red:size=64x64:rate=25", "-i", original, "-shortest", path)
    assert load_audio(path).seconds == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64])
def test_arrays_of_any_type(dtype):
    sound = syllables(1) / np.abs(syllables(1)).max() * 0.9
    if np.dtype(dtype).kind in "iu":
        half = (np.iinfo(dtype).max - np.iinfo(dtype).min) // 2
        array = np.clip(np.round(sound * half) + (half + 1) * (np.dtype(dtype).kind == "u"), None, np.iinfo(dtype).max)
    else:
        array = sound
    assert correlation(load_audio(array.astype(dtype), SAMPLE_RATE).samples, sound) > 0.99


def test_channels_first_and_channels_last_arrays_are_told_apart():
    stereo = np.stack([syllables(1), syllables(1)], axis=1)
    np.testing.assert_array_equal(load_audio(stereo, SAMPLE_RATE).samples, load_audio(stereo.T, SAMPLE_RATE).samples)


def test_channels_that_cancel_each_other_are_not_averaged():
    sound = syllables(1)
    loaded = load_audio(np.stack([sound, -0.999 * sound], axis=1), SAMPLE_RATE)
    assert correlation(loaded.samples, sound) > 0.99


def test_one_sounding_channel_among_eight_is_heard():
    sound = np.zeros((SAMPLE_RATE, 8), np.float32)
    sound[:, 2] = syllables(1)
    assert loudness(load_audio(sound, SAMPLE_RATE).samples) == pytest.approx(TARGET_DB, abs=0.3)


def test_real_recordings_load(shared_data):
    loaded = load_audio(shared_data / "clips" / "sadtalker_AOC.mp4")
    assert loaded.seconds == pytest.approx(8.0, abs=0.1)
    assert loaded.source == "sadtalker_AOC.mp4"


# Loudness


@pytest.mark.parametrize("level", [0.003, 0.05, 0.5, 3.0])
def test_loudness_is_brought_to_the_target_and_peaks_stay_below_one(level):
    loaded = load_audio(syllables(3, level=level), SAMPLE_RATE)
    assert loudness(loaded.samples) == pytest.approx(TARGET_DB, abs=0.3)
    assert np.abs(loaded.samples).max() < 1


def test_pauses_do_not_make_speech_louder():
    talk = syllables(2)
    with_pause = np.concatenate([talk, np.zeros(5 * SAMPLE_RATE, np.float32)])
    gain = np.abs(normalise(with_pause)).max() / np.abs(normalise(talk)).max()
    assert gain == pytest.approx(1, abs=0.06)


def test_an_offset_is_taken_out():
    assert abs(load_audio(syllables(2) + 0.3, SAMPLE_RATE).samples[SAMPLE_RATE:].mean()) < 1e-3


def test_hiss_is_not_blown_up_to_speech():
    hiss = np.random.default_rng(0).normal(0, 10 ** (-68 / 20), 2 * SAMPLE_RATE)
    assert loudness(load_audio(hiss, SAMPLE_RATE).samples) == pytest.approx(-28, abs=0.5)


# Streams


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 9000), min_size=1, max_size=20), st.sampled_from([8000, 16000, 22050, 44100, 48000]))
def test_resampling_and_levelling_do_not_depend_on_the_pieces(sizes, rate):
    sound = syllables(1.2, rate)

    def run(pieces):
        resampler, leveller = Resampler(rate), Leveller()
        parts = [leveller.push(resampler.push(piece)) for piece in pieces]
        return np.concatenate([*parts, leveller.push(resampler.finish()), leveller.finish()])

    np.testing.assert_array_equal(run(np.split(sound, np.minimum(np.cumsum(sizes), len(sound)))), run([sound]))


def test_what_lies_above_the_new_band_does_not_fold_back():
    t = np.arange(48000) / 48000
    resampler = Resampler(48000)
    folded = np.concatenate([resampler.push(np.sin(2 * np.pi * 9000 * t).astype(np.float32)), resampler.finish()])
    assert np.abs(folded[200:-200]).max() < 10 ** (-90 / 20)


@pytest.mark.parametrize("seconds", [0.3, 1.0, 7.7])
def test_a_stream_is_the_loaded_sound_in_chunks(tmp_path, seconds):
    path = tmp_path / "a.flac"
    sound = np.concatenate([syllables(30, 22050, 0.01), syllables(50, 22050)])  # gets louder after half a minute
    soundfile.write(path, sound, 22050)
    chunks = list(stream_audio(path, seconds))
    assert {len(chunk.samples) for chunk in chunks[:-1]} == {round(seconds * SAMPLE_RATE)}
    np.testing.assert_array_equal(np.concatenate([chunk.samples for chunk in chunks]), load_audio(path).samples)


def test_a_stream_that_starts_with_minutes_of_silence_keeps_its_loudness(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, np.concatenate([np.zeros(130 * 8000, np.float32), syllables(20, 8000, 0.02)]), 8000)
    chunks = list(stream_audio(path, 10))
    assert sum(chunk.seconds for chunk in chunks) == pytest.approx(150)
    assert loudness(np.concatenate([chunk.samples for chunk in chunks[13:]])) == pytest.approx(TARGET_DB, abs=0.3)


@pytest.mark.parametrize("piece", [8_000, 16_000, 100_000, 10**7])
def test_a_breath_before_a_long_silence_ends_does_not_set_the_gain(piece):
    """A faint sound just before the first minute is over must not stand for the voice that follows."""
    breath = 0.002 * np.random.default_rng(0).normal(size=SAMPLE_RATE).astype(np.float32)
    sound = np.concatenate([np.zeros(58 * SAMPLE_RATE, np.float32), breath, syllables(70)])
    leveller = Leveller()
    parts = [leveller.push(sound[i : i + piece]) for i in range(0, len(sound), piece)]
    levelled = np.concatenate([*parts, leveller.finish()])
    assert len(levelled) == len(sound)
    assert loudness(levelled[60 * SAMPLE_RATE :]) == pytest.approx(TARGET_DB, abs=0.3)


@pytest.mark.slow
def test_the_memory_of_a_stream_does_not_grow_with_its_length(tmp_path):
    def peak(minutes: int) -> int:
        path = tmp_path / f"{minutes}.flac"
        with soundfile.SoundFile(path, "w", 8000, 1) as file:
            for _ in range(minutes):
                file.write(syllables(60, 8000))
        tracemalloc.start()
        seconds = sum(chunk.seconds for chunk in stream_audio(path))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert seconds == pytest.approx(60 * minutes)
        return peak

    assert peak(20) < 1.05 * peak(4)


def test_closing_a_stream_early_ends_ffmpeg(tmp_path, original, monkeypatch):
    path = tmp_path / "a.mp3"
    ffmpeg("-stream_loop", "60", "-i", original, path)
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])
    stream = stream_audio(path, 1.0)
    next(stream)
    assert started[0].poll() is None
    stream.close()
    assert started[0].poll() is not None


def test_the_length_of_a_file_is_known_before_it_is_decoded(tmp_path, original):
    ffmpeg("-i", original, tmp_path / "a.m4a")
    assert sound_seconds(original) == pytest.approx(3)
    assert sound_seconds(tmp_path / "a.m4a") == pytest.approx(3, abs=0.1)


# What is refused, each with a sentence


def refused(source, *, match: str, rate: int | None = None, **limits) -> None:
    with pytest.raises(AudioError, match=match) as caught:
        load_audio(source, rate, **limits)
    assert str(caught.value).endswith(".")
    assert len(str(caught.value)) < 400


def test_missing_paths_folders_devices_and_links(tmp_path):
    refused(tmp_path / "none.wav", match="no file")
    refused(tmp_path, match="a folder")
    refused("/dev/zero", match="device")
    refused("", match="not a file name")
    refused("a\0b.wav", match="not a file name")
    refused("https://example.org/a.mp3", match="download")
    refused("concat:a.wav|b.wav", match="no file")
    refused("x" * 5000, match="cannot be opened")


def test_empty_files_and_empty_sounds(tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"")
    refused(tmp_path / "a.mp3", match="0 bytes")
    refused(b"", match="0 bytes")
    soundfile.write(tmp_path / "a.wav", np.zeros(0), SAMPLE_RATE)
    refused(tmp_path / "a.wav", match="no samples")
    refused(np.zeros(0), rate=SAMPLE_RATE, match="no samples")
    refused(syllables(0.05), rate=SAMPLE_RATE, match="only 50 ms")


def test_files_that_are_not_audio(tmp_path, original):
    (tmp_path / "notes.wav").write_text("Buy milk. " * 500)
    refused(tmp_path / "notes.wav", match="not an audio file")
    (tmp_path / "noise.mp3").write_bytes(np.random.default_rng(0).bytes(20000))
    refused(tmp_path / "noise.mp3", match="not an audio file")
    (tmp_path / "cut.wav").write_bytes(original.read_bytes()[:30])
    refused(tmp_path / "cut.wav", match="not an audio file|no samples")
    ffmpeg("-f", "lavfi", "-i", "color=red:size=64x64:rate=25", "-t", "1", tmp_path / "mute.mp4")
    refused(tmp_path / "mute.mp4", match="without a sound track")
    ffmpeg("-f", "lavfi", "-i", "color=red:size=64x64", "-frames:v", "1", tmp_path / "a.png")
    refused(tmp_path / "a.png", match="picture")


@pytest.mark.parametrize("name", ["a.m3u8", "a.txt", "a.wav"])
@pytest.mark.parametrize(
    "listing",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{0}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {0}\n",
    ],
)
def test_a_playlist_cannot_reach_other_files(tmp_path, original, name, listing):
    (tmp_path / name).write_text(listing.format(original))
    refused(tmp_path / name, match="not an audio file")


def test_a_name_that_looks_like_an_option_is_only_a_name(tmp_path, original, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ffmpeg("-i", original, tmp_path / "a.mp3")
    (tmp_path / "a.mp3").rename(tmp_path / "-version")
    assert load_audio("-version").seconds == pytest.approx(3, abs=0.1)


def test_a_damaged_file_gives_what_can_be_read_or_a_sentence(tmp_path, original):
    ffmpeg("-i", original, tmp_path / "a.mp3")
    data = bytearray((tmp_path / "a.mp3").read_bytes())
    data[len(data) // 3 : len(data) // 3 + 3000] = np.random.default_rng(0).bytes(3000)
    assert load_audio(bytes(data)).seconds == pytest.approx(3, abs=0.6)
    assert load_audio((tmp_path / "a.mp3").read_bytes()[: len(data) // 2]).seconds == pytest.approx(1.5, abs=0.2)


@pytest.mark.parametrize("claimed", [2**62, 2**63, 2**64 - 100])
def test_a_header_that_asks_for_impossible_places_makes_no_noise(tmp_path, claimed, capfd):
    samples = (syllables(1) * 20000).astype(np.int16).tobytes()
    file = tmp_path / "a.wav"
    file.write_bytes(
        b"RF64" + struct.pack("<I", 2**32 - 1) + b"WAVE"
        + b"ds64" + struct.pack("<IQQQI", 28, len(samples) + 72, claimed, len(samples) // 2, 0)
        + b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, SAMPLE_RATE, 2 * SAMPLE_RATE, 2, 16)
        + b"data" + struct.pack("<I", 2**32 - 1) + samples
    )  # fmt: skip
    assert load_audio(file).seconds == pytest.approx(1, abs=0.05)
    assert sound_seconds(file) == pytest.approx(1, abs=0.05)
    assert capfd.readouterr().err == ""


def test_a_disk_that_fails_while_a_file_is_read_is_told(tmp_path, monkeypatch, capfd):
    soundfile.write(tmp_path / "a.wav", syllables(3), SAMPLE_RATE)
    opened = Path.open
    for after in (0, 20_000):

        class Failing(io.FileIO):
            def read(self, count=-1, after=after):
                if self.tell() >= after:
                    raise OSError(errno.EIO, "Input/output error")
                return super().read(count)

        monkeypatch.setattr(Path, "open", lambda path, *_, **__: Failing(str(path)))
        with pytest.raises(AudioError, match=r"a\.wav cannot be read .*Input/output error"):
            load_audio(tmp_path / "a.wav")
    monkeypatch.setattr(Path, "open", opened)
    assert "Traceback" not in capfd.readouterr().err


def test_a_name_of_half_a_letter_is_no_file_name():
    refused("a\ud800.wav", match="not a file name")


def test_a_header_that_claims_a_thousand_channels_takes_no_more_memory(tmp_path):
    channels, rate = 1000, 192_000  # a second of it would take 0.8 GB
    file = tmp_path / "a.wav"
    frames = np.zeros((1000, channels), np.int16)
    head = b"fmt " + struct.pack("<IHHIIHH", 16, 1, channels, rate, 2 * rate * channels % 2**32, 2 * channels, 16)
    data = b"data" + struct.pack("<I", 2**31) + frames.tobytes()
    file.write_bytes(b"RIFF" + struct.pack("<I", 2**31 + 100) + b"WAVE" + head + data)
    tracemalloc.start()
    with pytest.raises(AudioError):
        load_audio(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6


def test_the_picture_of_a_recording_is_not_decoded(tmp_path, original, monkeypatch):
    """A cover may claim any size; the limit is lowered, so that the test need not make 40 megapixels."""
    Image.new("RGB", (300, 200)).save(tmp_path / "cover.png")
    cover = ("-i", tmp_path / "cover.png", "-map", "0", "-map", "1", "-c:v", "copy")
    ffmpeg("-i", original, *cover, tmp_path / "a.mp3")
    monkeypatch.setattr(decoding, "MAX_PIXELS", 100)
    assert "-max_pixels" in decoding._input_arguments()
    assert load_audio(tmp_path / "a.mp3").seconds == pytest.approx(3, abs=0.1)


def test_silence_and_bad_numbers():
    refused(np.zeros(SAMPLE_RATE), rate=SAMPLE_RATE, match="silent")
    refused(np.full(SAMPLE_RATE, 0.5), rate=SAMPLE_RATE, match="silent")
    bad = syllables(1)
    bad[77] = np.nan
    refused(bad, rate=SAMPLE_RATE, match="NaN")
    bad[77] = np.inf
    refused(bad, rate=SAMPLE_RATE, match="infinity")


def test_a_silent_stream_says_so_at_its_end(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(5 * SAMPLE_RATE), SAMPLE_RATE)
    with pytest.raises(AudioError, match="silent over its 5"):
        list(stream_audio(tmp_path / "a.wav"))


def test_limits_of_length(tmp_path, original):
    refused(original, max_seconds=2, match="longer than 2.0 seconds")
    with pytest.raises(AudioError, match="longer than"):
        list(stream_audio(original, 1, max_seconds=2))


@pytest.mark.parametrize("rate", [0, -1, 999, 10**6])
def test_impossible_rates(rate):
    refused(syllables(1), rate=rate, match="sampling rate")


def test_arrays_that_are_not_sound():
    refused(np.zeros((3, 4, 5)), rate=SAMPLE_RATE, match=r"\[N\] or \[N, channels\]")
    refused(np.zeros(3, complex), rate=SAMPLE_RATE, match="complex")
    refused(np.zeros((16000, 0)), rate=SAMPLE_RATE, match="channels")
    with pytest.raises(AudioError, match="sampling rate"):
        load_audio(syllables(1))


def test_chunks_must_have_a_length(original):
    with pytest.raises(AudioError, match="seconds_per_chunk"):
        next(stream_audio(original, 0))


@settings(max_examples=30, deadline=None)
@given(
    st.binary(max_size=3000),
    st.sampled_from([b"", b"RIFF\0\0\0\0WAVEfmt ", b"fLaC", b"OggS", b"ID3", b"\0\0\0\x18ftypmp42"]),
)
def test_no_bytes_crash_or_hang(data, head):
    try:
        loaded = load_audio(head + data)
    except AudioError:
        return
    assert np.isfinite(loaded.samples).all()
