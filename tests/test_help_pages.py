"""The README and the pages of docs/ say what is there: commands exist, links lead somewhere, settings are read."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"python -m emotalk [^`\n#|]+")


def headings(page: Path) -> set[str]:
    """What a link into a page can point at."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path):
    for link in re.findall(r"\]\(([^)`]+)\)(?!`)", page.read_text(encoding="utf-8")):
        if link.startswith(("http://", "https://")):
            continue
        name, _, part = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not part or part in headings(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_is_read_somewhere(page: Path):
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "emotalk").rglob("*.py"))
    for setting in set(re.findall(r"EMOTALK_\w+", page.read_text(encoding="utf-8"))):
        assert setting in code


def test_every_script_has_its_options():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for name, rest in re.findall(r"python -m scripts\.(\w+)([^`\n]*)", text):
        place = ROOT / "scripts" / name
        files = list(place.glob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
        code = "".join(file.read_text(encoding="utf-8") for file in files)
        assert code
        for option in re.findall(r"--([\w-]+)", rest):
            # Written out, or the name of an argument that tyro makes an option of.
            assert f'"--{option}"' in code or re.search(rf"\b{option.removeprefix('no-').replace('-', '_')}: ", code), (
                name,
                option,
            )


@pytest.mark.slow
def test_every_command_has_its_options():
    commands = {found for page in PAGES for found in COMMAND.findall(page.read_text(encoding="utf-8"))}
    for name in sorted({shlex.split(command)[3] for command in commands}):
        said = subprocess.run(
            [sys.executable, "-m", "emotalk", name, "--help"], capture_output=True, text=True, cwd=ROOT, check=True
        ).stdout
        for command in commands:
            words = shlex.split(command)
            if words[3] == name:
                assert [word for word in words[4:] if word.startswith("-") and word not in said] == []
