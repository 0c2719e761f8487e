"""What a machine lacks, in a sentence: memory, room on the disk, open files."""

from __future__ import annotations

import errno


def fault_of_the_machine(error: OSError | MemoryError | ImportError) -> str | None:
    """A sentence where the machine lacks what a piece of work needs, else None: then it is a mistake in the program."""
    if isinstance(error, ImportError):
        short = "failed to map segment" in str(error) or "annot allocate memory" in str(error)
    else:
        short = isinstance(error, MemoryError) or error.errno == errno.ENOMEM
    if short:
        return "There is too little memory for this; close other programs, or ask for less."
    if isinstance(error, ImportError):
        return None
    if "No usable temporary directory" in str(error):
        return "No temporary file can be written anywhere; make room, or name a folder in TMPDIR."
    where = f" ({error.filename})" if isinstance(error.filename, str) else ""
    lacks = {
        errno.ENOSPC: "The disk is full; make room",
        errno.EDQUOT: "Your share of the disk is full; make room",
        errno.EFBIG: "A file would grow larger than is allowed here (ulimit -f)",
        errno.EROFS: "This place cannot be written; name another one",
        errno.EMFILE: "Too many files are open for this program (ulimit -n)",
        errno.ENFILE: "Too many files are open on this machine; close other programs",
        errno.EIO: "The disk fails; look for another place",
    }
    return f"{lacks[error.errno]}{where}." if error.errno in lacks else None
