"""Speech with known phone times, made from free text-to-speech voices and public-domain recordings."""
