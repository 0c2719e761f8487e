"""The names of the 52 shapes."""

from emotalk.core.arkit import ARKIT_NAMES


def test_arkit_has_52_names_in_alphabetical_order_as_pairs():
    assert len(set(ARKIT_NAMES)) == 52
    assert sorted(ARKIT_NAMES) == list(ARKIT_NAMES)
    left = {name.removesuffix("Left") for name in ARKIT_NAMES if name.endswith("Left")}
    right = {name.removesuffix("Right") for name in ARKIT_NAMES if name.endswith("Right")}
    assert left == right
