"""Classes of one picture put in order."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from emotalk.portrait.photo_classes import tidied
from emotalk.tracking.masks import BACKGROUND, BODY, HAIR, SKIN

CHIN = 70


def head() -> np.ndarray:
    """A face in long hair over shoulders, 128 pixels."""
    classes = np.zeros((128, 128), np.uint8)
    classes[20:100, 30:98] = HAIR
    classes[35:72, 45:83] = SKIN
    classes[90:, 10:118] = BODY
    return classes


def test_an_orderly_picture_stays_as_it_is():
    assert (tidied(head(), CHIN) == head()).all()


def test_background_that_the_person_encloses_is_hair():
    classes = head()
    classes[50:60, 34:38] = BACKGROUND
    assert (tidied(classes, CHIN) == head()).all()


def test_clothes_beside_the_cheek_are_the_shadow_of_the_hair():
    classes = head()
    classes[45:65, 40:45] = BODY
    assert (tidied(classes, CHIN) == head()).all()


def test_a_collar_stays_one():
    classes = head()
    classes[72:90, 40:88] = BODY
    assert (tidied(classes, CHIN)[72:90, 40:88] == BODY).all()


def test_a_speck_of_hair_on_the_cheek_is_skin():
    classes = head()
    classes[50:53, 60:63] = HAIR
    assert (tidied(classes, CHIN) == head()).all()


@settings(max_examples=30, deadline=None)
@given(arrays.arrays(np.uint8, (24, 24), elements=st.integers(0, 3)), st.floats(0, 24))
def test_any_picture_keeps_its_person(classes, chin):
    tidy = tidied(classes, chin)
    assert tidy.shape == classes.shape
    assert tidy.dtype == np.uint8
    assert set(np.unique(tidy)) <= {BACKGROUND, BODY, HAIR, SKIN}
    assert (tidy[classes != BACKGROUND] != BACKGROUND).all()
