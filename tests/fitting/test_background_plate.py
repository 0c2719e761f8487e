"""What stands behind a person is found wherever any frame shows it, and continued smoothly elsewhere."""

import numpy as np
import torch

from emotalk.fitting.background_plate import background_plate, filled


def frames(count: int = 8, side: int = 96):
    """A person-sized dark block that wanders over a coloured ramp."""
    ramp = np.linspace(40, 200, side, dtype=np.uint8)
    wall = np.stack(np.broadcast_arrays(ramp[None, :], ramp[:, None], np.uint8(90)), -1)
    made = []
    for k in range(count):
        picture, person = wall.copy(), np.zeros((side, side), bool)
        person[30:, 20 + 4 * k : 50 + 4 * k] = True
        picture[person] = 10
        made.append((picture, person))
    return wall, made


def test_the_background_is_uncovered_where_the_person_moved_away():
    wall, made = frames()
    plate = background_plate(made)
    # Between the outermost positions every pixel was free in some frame, but for a rim of safety.
    assert np.abs(plate.numpy() - wall / 255)[:, :19].max() < 0.005
    assert np.abs(plate.numpy() - wall / 255)[:18].max() < 0.005


def test_what_nobody_saw_continues_its_surroundings():
    wall, made = frames(count=1)
    plate = background_plate(made)
    hidden = made[0][1]
    assert plate.isfinite().all()
    assert plate[torch.from_numpy(hidden)].min() > 0.1  # nothing of the dark block
    assert np.abs(plate.numpy() - wall / 255)[hidden].mean() < 0.12


def test_noise_of_single_frames_does_not_stay():
    wall, made = frames()
    made[2][0][:10, :10] = 255
    plate = background_plate(made)
    assert np.abs(plate.numpy() - wall / 255)[:10, :10].max() < 0.005


def test_known_pixels_keep_their_colour_and_odd_sizes_work():
    picture = torch.rand(37, 53, 3)
    known = torch.rand(37, 53) > 0.7
    result = filled(picture, known)
    assert torch.allclose(result[known], picture[known], atol=1e-6)
    assert result.min() >= 0
    assert result.max() <= 1
    assert torch.allclose(
        filled(torch.full((9, 7, 3), 0.3), torch.eye(9, 7) > 0), torch.full((9, 7, 3), 0.3), atol=1e-5
    )


def test_nothing_known_gives_grey():
    assert torch.equal(filled(torch.rand(5, 4, 3), torch.zeros(5, 4, dtype=torch.bool)), torch.full((5, 4, 3), 0.5))
