from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from controller.demo.main import add_arguments
from controller.demo.setup import DemoOptions, DemoSetup, prepare


@pytest.fixture
def site_text() -> str:
    return files("configs").joinpath("demo.yaml").read_text(encoding="utf-8")


@pytest.fixture
def setup(tmp_path: Path, site_text: str) -> DemoSetup:
    return prepare(tmp_path, site_text, DemoOptions())


@pytest.fixture
def options() -> Callable[..., argparse.Namespace]:
    def parse(*words: str) -> argparse.Namespace:
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        return parser.parse_args(words)

    return parse
