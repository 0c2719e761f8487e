"""What a Space and an image are built from agrees with what the program needs."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = dict(re.findall(r"^([\w-]+)==([\w.]+)", (ROOT / "requirements.txt").read_text(), re.M))
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
"""What the Hub takes as colorFrom and colorTo."""


@pytest.fixture(scope="module")
def front() -> dict:
    """The README's front matter, which configures a Space."""
    match = re.match(r"---\n(.*?)\n---\n", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    return yaml.safe_load(match[1])


def test_the_readme_asks_for_the_gradio_that_is_required(front: dict) -> None:
    assert front["sdk"] == "gradio"
    assert str(front["sdk_version"]) == REQUIREMENTS["gradio"]
    low, high = re.search(r'requires-python = ">=([\d.]+),<([\d.]+)"', (ROOT / "pyproject.toml").read_text()).groups()

    def version(text: str) -> tuple[int, ...]:
        return tuple(map(int, text.split(".")))

    assert isinstance(front["python_version"], str)  # unquoted, YAML would read 3.10 as 3.1
    assert version(low) <= version(front["python_version"]) < version(high)


def test_the_readme_says_what_a_space_must_say(front: dict) -> None:
    assert (ROOT / front["app_file"]).is_file()
    assert len(front["short_description"]) <= 60
    assert {front["colorFrom"], front["colorTo"]} <= COLOURS
    assert front["license"] == "apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()[:400]
    assert front["title"]
    assert len(front["emoji"].encode()) > 2


def test_the_programs_it_calls_come_with_a_space_and_with_the_image() -> None:
    packages = (ROOT / "packages.txt").read_text().split()
    image = (ROOT / "Dockerfile").read_text()
    assert {"ffmpeg", "flite"} <= set(packages)
    assert all(re.search(rf"\b{re.escape(name)}\b", image) for name in packages)


def test_the_image_runs_as_a_user_without_rights_and_copies_what_there_is() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users[-1] not in ("root", "0")
    assert lines.index(f"USER {users[-1]}") < next(i for i, line in enumerate(lines) if line.startswith("CMD "))
    for line in lines:
        if line.startswith("COPY "):
            assert all((ROOT / name).exists() for name in line.split()[1:-1]), line
