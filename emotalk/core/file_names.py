"""Names of files made of what people wrote."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 40
"""Letters of a name, cut between words where there are several."""
_RESERVED = re.compile(r"con|prn|aux|nul|com\d|lpt\d")  # no file may be called so on Windows
_BYTES = 120  # of a name in UTF-8: file systems allow 255, and endings and temporary names come on top


def file_name_of(text: str, otherwise: str = "talk") -> str:
    """A name without an ending for a file about a text: its first words in small letters, joined by hyphens, for
    example "good-morning"; `otherwise` where it has neither letters nor digits. Letters of all scripts stay."""
    words = re.findall(r"[^\W_]+", re.sub(r"['’]", "", unicodedata.normalize("NFC", text[:1000]).lower()))
    name = ""
    for word in words:
        longer = f"{name}-{word}" if name else word
        if name and len(longer) > LONGEST:
            break
        name = longer
    name = name[:LONGEST].encode("utf-8", "ignore")[:_BYTES].decode("utf-8", "ignore").rstrip("-")
    return f"{otherwise}-{name}" if _RESERVED.fullmatch(name) else name or otherwise
