"""`python app.py` as a Hugging Face Space runs it: a folder it cannot write, a user without rights, two cores, and no
way out to a network. A program asks it for a clip and gets one.

Where the tests run as root, a network of its own (`unshare -n`) and another user (`setpriv`) make this literally so.
Elsewhere the user has no rights anyway, and proxies that lead nowhere block what obeys them.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from emotalk.video import ffmpeg_path
from scripts.deploy_space import ROOT, space_files

pytestmark = pytest.mark.slow
USER = 1000
AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
START = """
import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:  # loopback is down in a new network
    fcntl.ioctl(door, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: IFF_UP | IFF_RUNNING
os.execvp(sys.argv[1], sys.argv[1:])
"""
READ_ONLY_RIGHTS = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search",
                    "--bounding-set=-all,+dac_read_search"]  # fmt: skip
"""The user may read what the tests' Python lies in (often another user's home), and write nothing of it."""
ASK = """
import json, sys
from gradio_client import Client
client = Client(sys.argv[1], verbose=False, download_files=sys.argv[2])
answer = {"avatars": client.predict(api_name="/avatars")}
try:
    client.predict(text="word " * 2000, api_name="/talk")
except Exception as error:
    answer["too long"] = str(error)
answer["files"] = client.predict(text="Hello from a Space.", size=256, valence=0.6, api_name="/talk")
print(json.dumps(answer))
"""


@dataclass
class Space:
    """A running Space, seen from outside."""

    process: subprocess.Popen
    code: Path
    temporary: Path
    log: Path
    address: str
    reach: list[str]  # what to put before a command so that it can reach the address

    def ask(self, folder: Path) -> dict:
        command = [*self.reach, sys.executable, "-c", ASK, self.address, str(folder)]
        said = subprocess.run(command, capture_output=True, text=True, timeout=400, env=os.environ | NO_WAY_OUT)
        assert said.returncode == 0, said.stderr + self.log.read_text()
        return json.loads(said.stdout.splitlines()[-1])

    def status(self, name: str) -> str:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:"))


PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY")
NO_WAY_OUT = dict.fromkeys(PROXIES, "http://127.0.0.1:9") | dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1")


def isolated() -> bool:
    """Whether this machine lets a test make a network of its own and become another user."""
    if not AS_ROOT or not all(shutil.which(name) for name in ("unshare", "nsenter", "setpriv")):
        return False
    probe = ["unshare", "-n", sys.executable, "-c", START, "setpriv", f"--reuid={USER}", f"--regid={USER}",
             "--clear-groups", *READ_ONLY_RIGHTS, "true"]  # fmt: skip
    return subprocess.run(probe, capture_output=True, timeout=30).returncode == 0


@pytest.fixture(scope="module")
def space() -> Iterator[Space]:
    if not sys.platform.startswith("linux"):
        pytest.skip("Spaces run Linux; this machine does not")
    if AS_ROOT and not isolated():
        pytest.skip("root here may not make a network or become another user (unshare, setpriv): nothing to show")
    base = Path(tempfile.mkdtemp(prefix="emotalk-space-"))
    base.chmod(0o755)  # pytest's own folders are closed to other users
    code, home, temporary = base / "app", base / "home", base / "tmp"
    for name in space_files():
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, code / name)
    for path in [code, *code.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    for folder in (home, temporary):
        folder.mkdir()
        if AS_ROOT:
            os.chown(folder, USER, USER)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(home), "TMPDIR": str(temporary),
        "SYSTEM": "spaces", "SPACE_ID": "somebody/emotalk", "SPACE_AUTHOR_NAME": "somebody",
        "GRADIO_SERVER_NAME": "0.0.0.0", "GRADIO_SERVER_PORT": str(port),
    }  # fmt: skip
    command = [sys.executable, "app.py"]
    if AS_ROOT:
        become = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs"]
        command = ["unshare", "-n", sys.executable, "-c", START, *become, *READ_ONLY_RIGHTS, *command]
    else:
        settings |= NO_WAY_OUT
    cores = sorted(os.sched_getaffinity(0))[:2]
    log = base / "log.txt"
    with log.open("w") as file:
        process = subprocess.Popen(
            command, cwd=code, env=settings, stdout=file, stderr=subprocess.STDOUT,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )  # fmt: skip
    reach = ["nsenter", f"--net=/proc/{process.pid}/ns/net"] if AS_ROOT else []
    running = Space(process, code, temporary, log, f"http://127.0.0.1:{port}", reach)
    try:
        wait_until_it_answers(running)
        yield running
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(20)
        for path in [code, *code.rglob("*")]:
            path.chmod(0o755)
        shutil.rmtree(base)


def wait_until_it_answers(space: Space, seconds: float = 180.0) -> None:
    look = f"from urllib.request import urlopen; urlopen({space.address!r}, timeout=5).read()"
    end = time.monotonic() + seconds
    while subprocess.run([*space.reach, sys.executable, "-c", look], capture_output=True).returncode:
        assert space.process.poll() is None, space.log.read_text()
        assert time.monotonic() < end, space.log.read_text()
        time.sleep(0.5)


def test_it_really_has_no_rights_no_network_and_two_cores(space: Space) -> None:
    assert all(uid != "0" for uid in space.status("Uid").split())
    assert len(space.status("Cpus_allowed_list").replace("-", ",").split(",")) <= 2
    if AS_ROOT:
        interfaces = Path(f"/proc/{space.process.pid}/net/dev").read_text().splitlines()[2:]
        assert [line.split(":")[0].strip() for line in interfaces] == ["lo"]
        rights = int(space.status("CapEff"), 16)
        assert rights == 1 << 2  # reading only
    for path in [space.code, *space.code.rglob("*")]:
        assert not path.stat().st_mode & 0o222


def test_a_program_gets_a_clip_from_it(space: Space, tmp_path: Path) -> None:
    answer = space.ask(tmp_path)
    assert {entry["name"] for entry in answer["avatars"]} >= {"mira", "kofi", "elena", "jun", "asha", "henrik"}
    assert "at most 60 seconds" in answer["too long"]  # a Space is public, unasked
    video, motion, _ = answer["files"]
    raw = subprocess.run(
        [ffmpeg_path(), "-v", "error", "-i", video, "-vf", "scale=64:64", "-f", "rawvideo", "-pix_fmt", "gray", "-"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    frames = len(raw) // 64**2
    assert frames == len(Path(motion).read_text().splitlines()) - 1
    assert frames > 20
    assert raw[: 64**2] != raw[30 * 64**2 :][: 64**2]  # and it moves


def test_its_page_is_a_spaces_page(space: Space) -> None:
    look = f"from urllib.request import urlopen; print(urlopen('{space.address}/config', timeout=5).read().decode())"
    said = subprocess.run([*space.reach, sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert json.loads(said.stdout)["space_id"] == "somebody/emotalk"


def test_stopped_it_leaves_nothing_temporary_and_has_written_nothing_into_its_code(space: Space) -> None:
    before = set(space_files())
    space.process.send_signal(signal.SIGTERM)
    space.process.wait(30)
    said = space.log.read_text()
    assert f'File "{space.code}' not in said, said  # no traceback through emotalk; libraries may grumble at their end
    assert not list(space.temporary.glob("emotalk-*"))
    assert {str(path.relative_to(space.code)) for path in space.code.rglob("*") if path.is_file()} == before
