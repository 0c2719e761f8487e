"""Compiled kernels on disk: reused, never trusted blindly, never fatal. Every test has its own folder."""

from __future__ import annotations

import hashlib
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from emotalk.core.errors import InputError
from emotalk.core.kernels import cache as kernel_cache
from emotalk.core.kernels import simd

SQUARE = """
import numpy as np
from emotalk.core.kernels import cache as kernel_cache
from emotalk.core.kernels.cache import kernel

@kernel
def square(values, slot):
    for i in range(values.shape[0]):
        values[i] = values[i] * values[i]

values = np.arange(4.0)
square(values, 0)
print(values.tolist(), sum(square._cache_hits.values()), kernel_cache.cache_folder())
"""

PICTURE = """
import hashlib
import torch
from emotalk.rendering import portrait_camera, rasterize
from emotalk.core.gaussians import GaussianCloud
g = torch.Generator().manual_seed(0)
cloud = GaussianCloud(0.05 * torch.randn(50, 3, generator=g), 0.01 * torch.rand(50, 3, generator=g),
                      torch.randn(50, 4, generator=g), torch.rand(50, generator=g), torch.rand(50, 3, generator=g))
image = rasterize(cloud, portrait_camera(40), early_stop=False).image
torch.save(image.contiguous(), OUT)
from emotalk.core.kernels.simd import LANES
print("lanes", LANES)
"""


def run(code: str, cache: Path, check: bool = True, **variables: str) -> subprocess.CompletedProcess:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("EMOTALK_", "NUMBA_"))}
    environment |= {"EMOTALK_CACHE": str(cache), "PYTHONPATH": str(Path(__file__).resolve().parents[2]), **variables}
    script = cache.parent / "script.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=500, check=False
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def kernels(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.kernel"))


@pytest.mark.slow
def test_a_second_process_loads_what_the_first_compiled(tmp_path):
    cache = tmp_path / "cache"
    first = run(SQUARE, cache)
    assert first.stdout.startswith("[0.0, 1.0, 4.0, 9.0] 0")
    assert "Compiling for this machine" in first.stderr
    assert len(kernels(cache)) == 1
    second = run(SQUARE, cache)
    assert second.stdout.startswith("[0.0, 1.0, 4.0, 9.0] 1")
    assert "Compiling" not in second.stderr


def square_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[float], int]:
    """Make, call and so compile or load a kernel in this process; returns its result and the number of cache hits."""
    monkeypatch.setattr(kernel_cache, "cache_folder", lambda: folder)

    def square(values, slot):
        for i in range(values.shape[0]):
            values[i] = values[i] * values[i]

    compiled, values = kernel_cache.kernel(square), np.arange(3.0)
    compiled(values, 0)
    return values.tolist(), sum(compiled._cache_hits.values())


@pytest.mark.parametrize("damage", ["empty", "truncated", "flipped", "foreign"])
def test_a_damaged_kernel_is_compiled_again(tmp_path, monkeypatch, damage):
    assert square_in(tmp_path, monkeypatch) == ([0.0, 1.0, 4.0], 0)
    (path,) = kernels(tmp_path)
    contents = path.read_bytes()
    middle = len(contents) // 2
    path.write_bytes(
        {
            "empty": b"",
            "truncated": contents[:middle],
            "flipped": contents[:middle] + bytes([contents[middle] ^ 1]) + contents[middle + 1 :],
            "foreign": b"<html>404</html>" * 100,
        }[damage]
    )
    assert square_in(tmp_path, monkeypatch) == ([0.0, 1.0, 4.0], 0)
    assert path.read_bytes()[:32] == hashlib.sha256(path.read_bytes()[32:]).digest()
    assert square_in(tmp_path, monkeypatch) == ([0.0, 1.0, 4.0], 1)


@pytest.mark.parametrize("stale", [b"cemotalk.rendering.renamed\nkernel\n.", pickle.dumps(("another", "layout")), b""])
def test_a_kernel_that_is_whole_but_does_not_fit_this_program_is_compiled_again(tmp_path, monkeypatch, stale):
    square_in(tmp_path, monkeypatch)
    (path,) = kernels(tmp_path)
    path.write_bytes(hashlib.sha256(stale).digest() + stale)
    assert square_in(tmp_path, monkeypatch) == ([0.0, 1.0, 4.0], 0)
    assert square_in(tmp_path, monkeypatch) == ([0.0, 1.0, 4.0], 1)


def test_a_full_disk_only_costs_time(tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kernel_cache, "write_bytes", full)
    assert square_in(tmp_path, monkeypatch) == ([0.0, 1.0, 4.0], 0)
    assert not kernels(tmp_path)


@pytest.mark.slow
def test_another_configuration_and_another_source_do_not_share_kernels(tmp_path):
    cache = tmp_path / "cache"
    folder = run(SQUARE, cache).stdout.split()[-1]
    other_lanes = run(SQUARE, cache, EMOTALK_LANES="4").stdout.split()
    assert other_lanes[-1] != folder
    assert other_lanes[-2] == "0"
    changed = run(SQUARE.replace("values[i] * values[i]", "values[i] * 10"), cache)
    assert changed.stdout.startswith("[0.0, 10.0, 20.0, 30.0] 0")


def hash_of_kernel_in(folder: Path, called: str = "return x * FACTOR", factor: str = "2.0") -> str:
    """The hash of a kernel that calls a compiled function of another package, which uses a constant of a third."""
    for package in ("first", "second", "third"):
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").write_text("")
    (folder / "third" / "constants.py").write_text(f"FACTOR = {factor}\nUNUSED = {folder.name!r}\n")
    (folder / "second" / "called.py").write_text(
        "from third.constants import FACTOR\nfrom emotalk.core.kernels.cache import inlined\n"
        f"@inlined\ndef scaled(x):\n    {called}\n"
    )
    (folder / "first" / "kernels.py").write_text(
        "from second.called import scaled\nfrom emotalk.core.kernels.cache import kernel, source_hash\n"
        "@kernel\ndef outer(values):\n    values[0] = scaled(values[0])\n"
    )
    code = "from first.kernels import outer, source_hash; print(source_hash(outer.py_func))"
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{root}"}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.slow
def test_a_change_in_what_a_kernel_calls_is_noticed_whatever_package_it_lies_in(tmp_path):
    first = hash_of_kernel_in(tmp_path / "a")
    assert hash_of_kernel_in(tmp_path / "b") == first
    assert hash_of_kernel_in(tmp_path / "c", called="return x + FACTOR") != first
    assert hash_of_kernel_in(tmp_path / "d", factor="3.0") != first


def test_a_kernel_has_its_own_options(tmp_path, monkeypatch):
    monkeypatch.setattr(kernel_cache, "cache_folder", lambda: tmp_path)

    def divide(values, slot):
        values[0] = values[0] / values[1]

    kernel_cache.kernel(divide)(np.zeros(2), 0)  # as numpy divides
    as_python_divides = kernel_cache.kernel(**kernel_cache.EXACT)(divide)
    monkeypatch.setattr(kernel_cache, "cache_folder", lambda: tmp_path / "other")
    with pytest.raises(ZeroDivisionError):
        as_python_divides(np.zeros(2), 0)


def test_every_compiled_function_of_the_package_is_in_this_cache():
    package = Path(kernel_cache.__file__).parents[2]
    found = [path for path in package.rglob("*.py") if "njit(" in path.read_text() or "numba.jit(" in path.read_text()]
    assert [str(path.relative_to(package)) for path in found] == ["core/kernels/cache.py"]


@pytest.mark.slow
def test_a_compile_that_is_killed_leaves_nothing_that_hurts(tmp_path):
    cache = tmp_path / "cache"
    environment = os.environ | {"EMOTALK_CACHE": str(cache), "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    script = tmp_path / "script.py"
    script.write_text(SQUARE)
    process = subprocess.Popen([sys.executable, str(script)], env=environment, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:  # killed in the middle of compiling
        if "Compiling" in line:
            break
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    process.stderr.close()
    for part in cache.rglob("*.part"):  # what a kill in the middle of writing would leave
        assert part.suffix != ".kernel"
    (next(iter(cache.rglob("kernels/*"))) / "square-abc.part").write_bytes(b"half")
    assert run(SQUARE, cache).stdout.startswith("[0.0, 1.0, 4.0, 9.0]")


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path):
    cache = tmp_path / "cache"
    cache.write_text("a file where the folder should be")
    done = run(SQUARE, cache)
    assert done.stdout.startswith("[0.0, 1.0, 4.0, 9.0]")


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs POSIX permissions")
def test_a_kernel_file_that_others_can_write_is_not_read(tmp_path, monkeypatch):
    square_in(tmp_path, monkeypatch)
    (path,) = kernels(tmp_path)
    assert square_in(tmp_path, monkeypatch) == ([0.0, 1.0, 4.0], 1)
    path.chmod(0o666)
    assert square_in(tmp_path, monkeypatch) == ([0.0, 1.0, 4.0], 0)  # compiled anew, and the file replaced
    assert square_in(tmp_path, monkeypatch) == ([0.0, 1.0, 4.0], 1)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs POSIX permissions")
def test_a_folder_that_others_can_write_is_not_trusted(tmp_path):
    cache = tmp_path / "cache"
    folder = Path(run(SQUARE, cache).stdout.split()[-1])
    folder.chmod(0o777)
    done = run(SQUARE, cache)
    assert done.stdout.startswith("[0.0, 1.0, 4.0, 9.0] 0")
    assert "can be written by other users" in done.stderr
    assert Path(done.stdout.split()[-1]) != folder


@pytest.mark.slow
def test_a_generic_cpu_draws_the_same_picture(tmp_path):
    import torch

    pictures = []
    for name, variables in (("native", {}), ("generic", {"NUMBA_CPU_NAME": "generic"})):
        code = f"OUT = {str(tmp_path / name)!r}\n" + PICTURE
        start = time.monotonic()
        done = run(code, tmp_path / "cache", **variables)
        assert time.monotonic() - start < 400
        assert name == "native" or "lanes 8" in done.stdout
        pictures.append(torch.load(tmp_path / name, weights_only=True))
    assert (pictures[0] - pictures[1]).abs().max() < 1e-4


def test_a_bad_lane_setting_is_explained(monkeypatch):
    monkeypatch.setenv("EMOTALK_LANES", "7")
    with pytest.raises(InputError, match="EMOTALK_LANES must be 4, 8 or 16, found '7'"):
        simd._lanes()
