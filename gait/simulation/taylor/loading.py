"""The compiled walk as a function of this process.

Kept machine code is loaded by itself. numba, which takes longer to load than a thousand walks, is imported only where
the code has to be compiled.
"""

from __future__ import annotations

import ctypes
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llvmlite import binding

from gait.simulation.taylor.cache import CodeCache, writable_folder
from gait.simulation.taylor.layout import ARGUMENTS

_SOURCES = ("../model.py", *(f"{name}.py" for name in ("layout", "symbols", "series", "events", "lanes")))
_TYPES = {
    "float64": ctypes.c_double, "float64*": ctypes.c_void_p, "int64": ctypes.c_int64, "int64*": ctypes.c_void_p,
}  # fmt: skip
_PROTOTYPE = ctypes.CFUNCTYPE(
    ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *(_TYPES[kind] for kind in ARGUMENTS.values())
)
_lock = threading.Lock()
_loaded: list[Callable[..., int]] = []
_linkers: list[Any] = []  # they own the memory of the code


def walk() -> Callable[..., int]:
    """`gait.simulation.taylor.lanes.walk` as a function of numbers and addresses, see `ARGUMENTS`."""
    with _lock:
        if not _loaded:
            _loaded.append(_callable(*_code()))
        return _loaded[0]


def walk_cache() -> CodeCache:
    """Where the code of the walk is kept."""
    return CodeCache("walk", (Path(__file__).parent / source for source in _SOURCES))


def _code() -> tuple[str, bytes]:
    """Name and object file of the function, kept or compiled now."""
    cache = walk_cache()
    kept = cache.load()
    if kept is None:
        folder = writable_folder()
        logging.getLogger("gait").warning(
            "Compiling the walking model: about ten seconds, %s.",
            "once on this machine"
            if folder
            else "in every run, because no folder can be written to keep it. Set NUMBA_CACHE_DIR to one that can",
        )
        from gait.simulation.taylor import lanes

        name, content = lanes.compile_walk()
        kept = name.encode() + b"\n" + content
        if folder:
            cache.save(kept, folder)
    symbol, _, code = kept.partition(b"\n")
    return symbol.decode(), code


def _callable(name: str, content: bytes) -> Callable[..., int]:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine(jit=True)
    linker = binding.create_mcjit_compiler(binding.parse_assembly(""), machine)
    linker.add_object_file(binding.ObjectFileRef.from_data(content))
    linker.finalize_object()
    _linkers.append(linker)
    function = _PROTOTYPE(linker.get_function_address(name))

    def call(*arguments) -> int:
        result, error = ctypes.c_int64(), ctypes.c_void_p()
        if function(ctypes.byref(result), ctypes.byref(error), *arguments):
            raise RuntimeError("The compiled walking model has failed.")
        return result.value

    return call
