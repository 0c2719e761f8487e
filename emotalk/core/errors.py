"""The one family of errors meant for people.

Every message says what is wrong, what was found, and what to do. The app shows it as a toast,
the command line prints it without a traceback and exits with status 2.
"""


class EmotalkError(Exception):
    """Something a person can understand and act on."""


class InputError(EmotalkError, ValueError):
    """A value handed in (an array, a number, a name, a text) cannot be used."""


class AudioError(EmotalkError):
    """Audio cannot be read, is empty, silent, too long or not audio at all."""


class VoiceError(EmotalkError):
    """A text-to-speech voice or engine is missing or failed."""


class ChatError(EmotalkError):
    """The server of a language model cannot be reached, refuses, or answers what cannot be read."""


class AvatarError(EmotalkError):
    """An avatar folder or file is missing, damaged, foreign or unsafe."""


class CheckpointError(EmotalkError):
    """A shipped or downloaded model file is missing, damaged or of another version."""


class HubError(EmotalkError):
    """Something on the Hugging Face Hub cannot be found, reached, allowed or trusted."""


class VideoError(EmotalkError):
    """A video cannot be read or written."""


class TrackingError(EmotalkError):
    """A video of a person cannot be followed: unreadable, no face, several faces, too short, too blurred."""


class Cancelled(EmotalkError):
    """The person asked to stop; nothing is wrong."""
