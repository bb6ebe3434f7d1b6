"""Runs the tests of one mutant after the other, each in a fork of a process that has loaded everything slow already.

``python -m tests.verify.mutation.runner`` reads mutants with their tests as lines of JSON, and answers each with a
line: what became of it.
"""

from __future__ import annotations

import gc
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import resource
import signal
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Final

import _hypothesis_pytestplugin  # noqa: F401  so that each fork finds what is slow to load
import highspy  # noqa: F401
import hypothesis.strategies  # noqa: F401
import pytest
from hypothesis import is_hypothesis_test

import tests.controller.core.world  # noqa: F401
from tests.verify.mutation.mutants import Mutant

ROOT: Final = Path(__file__).parents[3]
#: Too long without the JIT.
_LARGE: Final = ("gap_is_small", "program_equals_highs", "hold_unless", "what_is_protected_goes_last", "small_lumpy")
#: Plugins of pytest that only take time here.
_NEEDLESS: Final = ("anyio", "cacheprovider", "xdist", "unraisableexception", "threadexception")
#: A test that needs more processor time than this hangs, and the mutant is found by that.
_TEST_S: Final = 25.0
#: So much memory a mutant may take.
_MEMORY: Final = 4 << 30

FOUND, HANGS, SURVIVED = "found", "hangs", "survived"


def outcome(mutant: Mutant, tests: Sequence[str]) -> str:
    """Return what became of a mutant in these tests."""
    child = os.fork()
    if child == 0:
        status = 3
        try:
            status = _in_child(mutant, tests)
        finally:
            os._exit(status)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if ended == -signal.SIGVTALRM:
        return HANGS
    return SURVIVED if ended == pytest.ExitCode.OK else FOUND


def _in_child(mutant: Mutant, tests: Sequence[str]) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    name = mutant.path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    _forget(name)
    sys.meta_path.insert(0, _Finder(name, ROOT / mutant.path, mutant.source))
    # Nobody reads why a test fails.
    options = ["-q", "-x", "-s", "--tb=no", "--assert=plain", "--timeout", "0"]
    options += [word for name in _NEEDLESS for word in ("-p", f"no:{name}")]
    if "/kernels/" in mutant.path:
        options += ["-k", f"not ({' or '.join(_LARGE)})"]
    return int(pytest.main([*options, *tests], plugins=[_Haste()]))


class _Haste:
    """Puts the properties of a file behind its single cases, which are quick.

    Ends the process whose test takes too long; also where a kernel goes on and on, and no Python runs.
    """

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        files = list(dict.fromkeys(item.path for item in items))
        items.sort(key=lambda item: (files.index(item.path), is_hypothesis_test(getattr(item, "obj", None))))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, bool, bool]:
        signal.setitimer(signal.ITIMER_VIRTUAL, _TEST_S)
        try:
            return (yield)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)


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
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
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


def main() -> int:
    """Answer the mutants of standard input."""
    os.chdir(ROOT)
    # What is loaded stays: no fork has to look through it for garbage.
    gc.freeze()
    for line in sys.stdin:
        question = json.loads(line)
        print(outcome(Mutant(**question["mutant"]), question["tests"]), flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
