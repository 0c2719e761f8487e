"""A dialogue with a language model, whose answer is spoken while it is still being written.

what the visitor said ─► Dialogue ─► messages ─► answer (an OpenAI-compatible endpoint) ─► sentences ─► a voice
"""

from emotalk.chat.client import answer
from emotalk.chat.dialogue import Dialogue, Turn
from emotalk.chat.endpoint import Endpoint, endpoint_of_environment
from emotalk.chat.sentences import SentenceCutter, sentences

__all__ = ["Dialogue", "Endpoint", "SentenceCutter", "Turn", "answer", "endpoint_of_environment", "sentences"]
