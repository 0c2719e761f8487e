"""Training of the motion, sync and recogniser networks, and adaptation of motion to one person."""
