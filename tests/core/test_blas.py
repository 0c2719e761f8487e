"""numpy's matrices are multiplied in one thread, unless somebody says otherwise."""

import os
import subprocess
import sys

import pytest

from emotalk.core import blas

ASK = """
import ctypes
from emotalk.core import blas
libraries = blas._libraries()
def threads():
    for path in libraries:
        loaded = ctypes.CDLL(str(path))
        for name in blas._SETTERS:
            name = name.replace("_set_", "_get_")
            if hasattr(loaded, name):
                return getattr(loaded, name)()
print(threads(), {work}, threads(), os.environ.get(blas.SETTING))
"""


def answers(work: str, **settings: str) -> list[str]:
    """What a process of its own says: threads before, what `work` gave, threads after, the setting."""
    environment = {name: value for name, value in os.environ.items() if "_NUM_THREADS" not in name} | settings
    code = "import os\n" + ASK.format(work=work)
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return run.stdout.split()


@pytest.fixture(scope="module", autouse=True)
def numpy_with_openblas() -> None:
    if not blas._libraries():
        pytest.skip("this numpy does not bring OpenBLAS along")


def test_there_is_one_thread_afterwards_and_later_libraries_are_told():
    assert answers("blas.one_blas_thread()")[1:] == ["True", "1", "1"]


def test_a_number_that_was_set_stays():
    before, told, after, setting = answers("blas.one_blas_thread()", OPENBLAS_NUM_THREADS="2")
    assert (told, setting) == ("False", "2")
    assert before == after


@pytest.mark.slow
def test_a_studio_needs_no_more():
    studio = "__import__('emotalk.talk', fromlist=['Studio']).Studio(device='cpu') and 0"
    assert answers(studio)[2:] == ["1", "1"]
