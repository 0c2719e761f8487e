"""Corrections that nobody would see are not kept."""

import dataclasses

import torch

from emotalk.avatar import load_avatar
from emotalk.portrait.telling import LEAST_COLOR, LEAST_WAY, telling


def test_only_gaussians_that_nothing_changes_are_left_out():
    given = load_avatar("mira").corrections
    color, position = given.color.clone(), given.position.clone()
    color[:, :30], position[:, :30] = 0, 0
    color[2, 10:15], position[3, 20:22] = 2 * LEAST_COLOR, 2 * LEAST_WAY
    color[2, 25:30] = 0.9 * LEAST_COLOR
    changed = dataclasses.replace(given, color=color, position=position)
    kept = telling(changed)
    first = [int(k) for k in given.index[:30] if k in kept.index]
    assert first == given.index[10:15].tolist() + given.index[20:22].tolist()
    same = torch.isin(given.index, kept.index)
    assert torch.equal(kept.color, color[:, same])
    assert torch.equal(kept.position, position[:, same])
