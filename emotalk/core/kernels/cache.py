"""Compiled kernels on disk: compile once per machine, load in milliseconds ever after.

Every compiled function of the package is made by `kernel` or, where kernels call it, by `inlined`. numba's own cache is
keyed by the source file that holds the function alone. It would go on using machine code made for another lane count,
another version of a module the kernel imports, or a half-written file - and wrong machine code does not raise, it
corrupts memory. So kernels have their own cache:

- one folder per configuration: versions of emotalk, Python, numba and llvmlite, CPU name and features, lane count;
- one file per kernel, source and signature, its name holding a hash of all that the kernel is made of: `source_hash`;
- a SHA-256 of the contents in front: a damaged or truncated file is compiled again, not run; so is a stale one;
- written to a temporary name and moved into place, so that an interrupted compile or two processes at once do no harm;
- a folder that somebody else could have written is not trusted (loading machine code is running it).
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import logging
import os
import pickle
import platform
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core.caching import CompileResultCacheImpl, _Cache
from numba.core.compiler import CompileResult
from numba.core.dispatcher import Dispatcher
from numba.core.serialize import dumps

import emotalk
from emotalk.core.atomic import write_bytes
from emotalk.core.kernels import simd
from emotalk.core.paths import cache_dir

log = logging.getLogger(__name__)

_announced = False


@functools.cache
def configuration() -> str:
    """Everything but the source that machine code depends on, as one line."""
    name, features = simd.cpu_name_and_features()
    parts = (emotalk.__version__, platform.python_implementation(), sys.version, numba.__version__)
    return "|".join([*parts, llvmlite.__version__, platform.machine(), sys.platform, name, features, str(simd.LANES)])


@functools.cache
def cache_folder() -> Path:
    """The folder of this configuration's compiled kernels (made if needed)."""
    folder = cache_dir("kernels") / hashlib.sha256(configuration().encode()).hexdigest()[:16]
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if _is_ours(folder.stat()) and _is_ours(folder.parent.stat()):
            return folder
        log.warning("%s can be written by other users; compiled kernels are kept for this run only.", folder)
    except OSError as error:
        log.warning("Compiled kernels cannot be kept in %s (%s); they are kept for this run only.", folder, error)
    folder = Path(tempfile.mkdtemp(prefix="emotalk-kernels-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _is_ours(status: os.stat_result) -> bool:
    """Whether nobody but this user (or root) can have written what has this status."""
    if not hasattr(os, "getuid"):
        return True
    return status.st_uid in (os.getuid(), 0) and not status.st_mode & (stat.S_IWOTH | stat.S_IWGRP)


def source_hash(function: Callable) -> str:
    """Of everything that may end up inside the machine code of `function`: the sources of its own package and of this
    one, those of compiled functions that it calls, in whatever package, and the values of constants that all of these
    use."""
    folders = dict.fromkeys((Path(function.__code__.co_filename).parent, Path(__file__).parent))
    digest = hashlib.sha256()
    for folder in folders:
        digest.update(_folder_hash(folder))
    pending, known = [function], {function}
    while pending:
        current = pending.pop()
        path = Path(current.__code__.co_filename)
        if path.parent not in folders:
            digest.update(path.read_bytes())
        for name, value in _globals_of(current):
            if isinstance(value, Dispatcher):
                if value.py_func not in known:
                    known.add(value.py_func)
                    pending.append(value.py_func)
            elif isinstance(value, int | float | str | tuple | np.generic):
                digest.update(f"{name}={value!r}|".encode())
    return digest.hexdigest()


def _globals_of(function: Callable) -> Iterator[tuple[str, Any]]:
    """Names and values that a function takes from its module, from its enclosing function and from modules it names,
    always in the same order."""
    names = function.__code__.co_names
    found = [(name, function.__globals__[name]) for name in names if name in function.__globals__]
    for cell_name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        found.append((cell_name, cell.cell_contents))
    for name, value in found:
        yield name, value
        if isinstance(value, ModuleType) and value.__name__.startswith("emotalk"):
            yield from ((f"{name}.{part}", getattr(value, part)) for part in names if hasattr(value, part))


@functools.cache
def _folder_hash(folder: Path) -> bytes:
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.digest()


class KernelCache(_Cache):
    """Numba's cache interface on checked files; `load_overload` returns None where nothing usable is stored."""

    def __init__(self, function: Callable) -> None:
        self._function = function
        self._sources: str | None = None
        self._enabled = True

    @property
    def cache_path(self) -> str:
        """The folder of the files, as numba shows it."""
        return str(cache_folder())

    def _path(self, signature) -> Path:
        if self._sources is None:  # not when it is made: what it calls may be defined below it
            self._sources = source_hash(self._function)
        key = f"{self._sources}|{self._function.__module__}.{self._function.__qualname__}|{signature}"
        return cache_folder() / f"{self._function.__name__}-{hashlib.sha256(key.encode()).hexdigest()[:24]}.kernel"

    def load_overload(self, sig, target_context) -> CompileResult | None:
        """The machine code of the function for a signature; None where it has to be compiled."""
        target_context.refresh()
        path = self._path(sig)
        try:
            with path.open("rb") as file:
                # Asked of the open file itself: folders above it may be exchanged after they were looked at.
                contents = file.read() if _is_ours(os.fstat(file.fileno())) else b""
        except OSError:
            contents = b""
        if self._enabled and len(contents) > 32:
            if hashlib.sha256(contents[32:]).digest() == contents[:32]:
                # Numba keeps compiled functions in Python's object format and offers no other. These bytes lie in a
                # file that only this user can have written, and their checksum holds.
                try:
                    return CompileResult._rebuild(target_context, *pickle.loads(contents[32:]))
                except Exception as error:  # whatever it no longer fits, compiling mends
                    fault = f"stale ({error})"
            else:
                fault = "damaged"
            log.warning("The compiled kernel %s is %s; compiling it again.", path.name, fault)
        _announce()
        return None

    def save_overload(self, sig, data: CompileResult) -> None:
        """Keep what was compiled for a signature; only a warning where the disk refuses."""
        if not self._enabled or not CompileResultCacheImpl.check_cachable(self, data):
            return
        contents = dumps(data._reduce())
        path = self._path(sig)
        try:
            # Not flushed: the checksum tells whatever a power failure leaves.
            write_bytes(path, hashlib.sha256(contents).digest() + contents, flush=False)
        except OSError as error:  # a full or read-only disk: slower next time, but this run goes on
            log.warning("The compiled kernel %s could not be kept: %s", path.name, error)

    def enable(self) -> None:
        """Read and write files, as at the beginning."""
        self._enabled = True

    def disable(self) -> None:
        """Compile always, and keep nothing."""
        self._enabled = False

    def flush(self) -> None:
        """Remove this function's files, of all signatures and sources."""
        for path in cache_folder().glob(f"{self._function.__name__}-*.kernel"):
            path.unlink(missing_ok=True)


def _announce() -> None:
    global _announced
    if not _announced:
        _announced = True
        log.warning("Compiling for this machine, once: the CPU renderer takes about 15 seconds ...")


_OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": True, "error_model": "numpy"}
KEEP_NAN: dict[str, Any] = {"fastmath": {"nsz", "arcp", "contract", "afn", "reassoc"}, "error_model": "python"}
"""Options of kernels whose numbers may be NaN or infinite: with the renderer's own, a test for them is left out."""
EXACT: dict[str, Any] = {"fastmath": False, "error_model": "python"}
"""Options of kernels that calculate in the order in which they are written."""


def kernel(function: Callable | None = None, **options: Any) -> Callable:
    """Compile `function` with numba at its first call (without the GIL) and keep the machine code on disk.

    Used as `@kernel`, with all of LLVM's fast arithmetic, or as `@kernel(**KEEP_NAN)` with other options of numba.njit.
    """
    if function is None:
        return functools.partial(kernel, **options)
    dispatcher = numba.njit(**_OPTIONS | options)(function)
    dispatcher._cache = KernelCache(function)
    return dispatcher


def inlined(function: Callable | None = None, **options: Any) -> Callable:
    """A function called from kernels; it becomes part of their machine code. Options as for `kernel`."""
    if function is None:
        return functools.partial(inlined, **options)
    return numba.njit(**_OPTIONS | options)(function)
