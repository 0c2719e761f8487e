"""Uploads this checkout to a Hugging Face Space: `python -m scripts.deploy_space user/emotalk`.

What git tracks is uploaded, less what a Space does not need; the README's front matter configures it. The token is
the one of `hf auth login`. The Space builds itself from requirements.txt and packages.txt and runs app.py unchanged.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import tyro

from emotalk.core.errors import EmotalkError, InputError
from emotalk.hub import publish

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = (".ci/", ".github/", "tests/", "benchmarks/", "scripts/", "docs/presets/")


def space_files(root: Path = ROOT) -> list[str]:
    """The tracked files that go to a Space, relative to the checkout."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=False)
    if listing.returncode:
        raise InputError(f"{root} is not a git checkout; clone the repository and deploy from there.")
    names = [name for name in listing.stdout.decode().split("\0") if name]
    return [name for name in names if not name.startswith(LEFT_OUT) and (root / name).is_file()]


def deploy(space: tyro.conf.Positional[str], private: bool = True) -> str:
    """Upload this checkout to a Space, made if needed.

    Args:
        space: where to: user/name.
        private: only you can see it; --no-private opens it to everybody.
    """
    work = Path(tempfile.mkdtemp(prefix="emotalk-space-"))
    try:
        for name in space_files():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, work / name)
        return publish(work, space, "Deploy emotalk", private, space=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    try:
        print(tyro.cli(deploy))
    except EmotalkError as error:
        print(f"deploy_space: {error}", file=sys.stderr)
        sys.exit(2)
