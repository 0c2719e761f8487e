"""Measures of what was made: pictures against the recorded ones, lips against the sound, faces against the mood."""
