"""Builds the simulated ``libnvidia-ml.so.1`` with the compiler of the machine, so that nvidia-ml-py runs over it."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from drivers.errors import ConfigError

NAME: Final = "libnvidia-ml.so.1"
#: Where the library finds the simulated machine, as host:port.
PLACE: Final = "SURPLUSD_SIMULATED_NVML"
COMPILER: Final = shutil.which("cc")


def build(folder: Path) -> Path:
    """Return the library, built in `folder`, which ``LD_LIBRARY_PATH`` may name; raises ConfigError without a compiler."""
    if COMPILER is None:
        raise ConfigError("cc is not installed; the simulated NVML is built by it")
    library = folder / NAME
    with as_file(files("simulators.devices").joinpath("nvml.c")) as source:
        flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", f"-Wl,-soname,{NAME}"]
        subprocess.run([COMPILER, *flags, "-o", str(library), str(source)], check=True)  # noqa: S603  our own source
    return library


def load(library: Path) -> None:
    """Load it into this process before nvidia-ml-py does: the dynamic linker knows a library that it has by its name."""
    ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)


def point_at(host: str, port: int) -> None:
    """Have the library of this process ask the simulated machine at that address."""
    os.environ[PLACE] = f"{host}:{port}"
