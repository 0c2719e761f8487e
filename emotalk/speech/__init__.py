"""Speech: any text or any audio in, what the mouth must do out.

`load_audio` and `stream_audio` read sound, `say` and `say_stream` make it from text with one of the `voices`,
`SpeechEncoder` hears in it what the face needs; `alignment.with_transcript` finds the words of a text in a recording.
"""

from emotalk.speech.audio import load_audio, stream_audio
from emotalk.speech.tts import default_voice, say, say_stream, voices

__all__ = ["SpeechEncoder", "default_voice", "load_audio", "say", "say_stream", "stream_audio", "voices"]


def __getattr__(name: str):
    if name == "SpeechEncoder":  # only those who encode pay for its import
        from emotalk.speech.encoder import SpeechEncoder

        return SpeechEncoder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
