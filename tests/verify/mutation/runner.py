"""Runs the tests of one mutant after the other, each in a fork of a process that has loaded everything slow already."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

from tests.verify.mutation.mutants import Mutant

_TESTS: Final = Path("tests/controller/core")
#: Whatever is mutated, these show what a whole step makes of it.
_OF_STEP: Final = tuple(str(_TESTS / f"test_{name}.py") for name in ("step_stages", "step", "invariants"))
#: A mutant that takes longer than this for one stage of its tests hangs, and is found by that.
_STAGE_S: Final = 300
#: So much memory a mutant may take.
_MEMORY: Final = 4 << 30

FOUND, HANGS, SURVIVED = "found", "hangs", "survived"


def stages(path: str) -> list[tuple[str, ...]]:
    """Return the tests of a source file, the quickest first: its own, else those of its folder, and those of a step."""
    inside = Path(path).relative_to("controller/core")
    own, folder = _TESTS / inside.with_name(f"test_{inside.name}"), _TESTS / inside.parent
    first = [own] if own.exists() else sorted(folder.glob("test_*.py")) if folder != _TESTS else []
    found = [tuple(map(str, first))] if first else []
    if inside.parts[0] == "kernels":
        # Without the JIT a whole step takes too long; and what is said of compiled code says nothing then.
        return [*found, tuple(map(str, sorted((_TESTS / "kernels").glob("test_[!c]*.py"))))]
    return [*found, *((each,) for each in _OF_STEP if each != str(own))]


def outcome(root: Path, mutant: Mutant) -> str:
    """Return what became of a mutant."""
    for tests in stages(mutant.path):
        ended = _forked(root, mutant, tests)
        if ended != SURVIVED:
            return ended
    return SURVIVED


def _forked(root: Path, mutant: Mutant, tests: Sequence[str]) -> str:
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        status = 3
        try:
            status = _in_child(root, mutant, tests)
        finally:
            os._exit(status)
    deadline_s = time.monotonic() + _STAGE_S
    while time.monotonic() < deadline_s:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return SURVIVED if os.waitstatus_to_exitcode(status) == pytest.ExitCode.OK else FOUND
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return HANGS


def _in_child(root: Path, mutant: Mutant, tests: Sequence[str]) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    name = mutant.path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    _forget(name)
    sys.meta_path.insert(0, _Finder(name, root / mutant.path, mutant.source))
    options = ["-q", "-x", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist", "--timeout", str(_STAGE_S)]
    return int(pytest.main([*options, *tests]))


def _forget(name: str) -> None:
    """Unload the mutated module and all that may have imported it; the kernels only where they have."""
    for loaded in list(sys.modules):
        of_core = loaded.startswith(("controller.core", "tests.controller"))
        kernel = loaded.startswith("controller.core.kernels")
        if of_core and (not kernel or "kernels" in name or name == "controller.core.site"):
            del sys.modules[loaded]


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module another source."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        self._name, self._path, self._source = name, path, source

    def find_spec(
        self, fullname: str, _path: object, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        package = self._path.name == "__init__.py"
        spec = importlib.util.spec_from_loader(fullname, self, origin=str(self._path), is_package=package)
        if spec is not None:
            spec.has_location = True
        return spec

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._source, str(self._path), "exec"), module.__dict__)
