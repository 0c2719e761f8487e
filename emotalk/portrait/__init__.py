"""One photo of a person becomes their avatar."""
