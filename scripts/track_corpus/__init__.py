"""Films of talking people -> shards of what their heads do beside what is heard, for `scripts.train_motion`."""
