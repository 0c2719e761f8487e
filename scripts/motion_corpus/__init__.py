"""Films of talking people -> shards of what their lips do beside what is heard, for the motion network."""
