"""emotalk: emotional talking heads from text or audio, on two CPU cores or a GPU."""

__version__ = "0.1.0"
