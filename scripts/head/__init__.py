"""Build-time parts of `scripts/build_head.py`: they read the CC0 MakeHuman data and shape it into our head."""
