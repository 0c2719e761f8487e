"""Deploying: what a Space gets, through the real client and a local Hub."""

import pytest

from emotalk.core.errors import HubError, InputError
from scripts import deploy_space


def test_a_space_gets_what_it_runs_and_nothing_else(hub, monkeypatch):
    # The shipped weights are left out here to keep the test quick; they travel like every other file.
    names = [name for name in deploy_space.space_files() if not name.startswith("checkpoints/")]
    monkeypatch.setattr(deploy_space, "space_files", lambda: names)
    deploy_space.deploy("me/emotalk")
    space = hub.repositories["me/emotalk"]
    files = space.commits[space.branches["main"]]
    assert space.private
    assert {"app.py", "requirements.txt", "packages.txt", "emotalk/talk/studio.py"} <= files.keys()
    assert not [name for name in files if name.startswith(("tests/", "scripts/", ".ci/"))]
    assert files["app.py"] == (deploy_space.ROOT / "app.py").read_bytes()


def test_checkpoints_travel_too():
    names = deploy_space.space_files()
    assert "checkpoints/head.npz" in names
    assert any(name.startswith("checkpoints/avatars/mira/") for name in names)


def test_wrong_names_and_places_are_sentences(tmp_path):
    with pytest.raises(HubError, match="user/name"):
        deploy_space.publish(tmp_path, "emotalk", "x", space=True)
    with pytest.raises(InputError, match="not a git checkout"):
        deploy_space.space_files(tmp_path)
