"""`python -m scripts.soak`: a long day of a page in some minutes, and what it leaves behind. See `__main__`."""
