"""The wheel: what is in it, and that it runs where the clone is not."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import DEADLINE_S

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment, outside the clone."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=DEADLINE_S)
    return folder


@pytest.fixture(scope="module")
def wheel(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip(environment, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def surplusd(environment: Path, wheel: Path) -> Path:
    """The installed command, in an environment that has the wheel, today's dependencies, and nothing of the clone."""
    pip(environment, "install", "--no-deps", "--no-index", str(wheel))
    (packages,) = environment.glob("lib/python*/site-packages")
    # What is added this way has its own .pth files unread, so that an editable install of the clone stays out.
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    return environment / "bin" / "surplusd"


def pip(environment: Path, *words: str) -> None:
    """Run our own pip on that environment: to install another one there takes longer than all that it would do."""
    there = str(environment / "bin" / "python")
    command = [sys.executable, "-m", "pip", "--python", there, "--quiet", "--disable-pip-version-check", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, done.stderr


def run(command: Path, *words: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    environment = clean | {"NUMBA_CACHE_DIR": str(command.parents[1] / "kernels")} | more
    return subprocess.run(
        [str(command), *words], cwd=cwd, env=environment, capture_output=True, text=True, timeout=250, check=False
    )


def test_it_holds_the_four_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/", 1)[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {
        "controller",
        "drivers",
        "simulators",
        "configs",
    }
    assert len(top) == 5
    assert {"configs/demo.yaml", "configs/site.schema.json", "drivers/fleet/models.yaml"} <= set(names)
    for package in ("drivers", "configs", "controller", "simulators"):
        data = {path for path in (ROOT / package).rglob("*") if path.is_file() and "__pycache__" not in path.parts}
        assert {path.relative_to(ROOT).as_posix() for path in data} <= set(names)
    assert not [name for name in names if name.endswith((".pyc", ".key", ".token", ".db"))]


def compiled(surplusd: Path) -> list[Path]:
    return list((surplusd.parents[1] / "kernels").rglob("*.nbc"))


def test_a_kernel_is_compiled_into_the_cache(surplusd: Path, tmp_path: Path) -> None:
    """One, which takes a second; `warmup` compiles all."""
    one = run(surplusd.with_name("python"), "-c", "import controller.core.kernels.grant", cwd=tmp_path)
    assert (one.returncode, one.stderr) == (0, "")
    assert any(file.name.startswith("grant.") for file in compiled(surplusd))


@pytest.mark.slow
def test_warmup_fills_the_cache_of_the_kernels_and_a_demo_runs_on_them(surplusd: Path, tmp_path: Path) -> None:
    warm = run(surplusd, "warmup", cwd=tmp_path)
    assert (warm.returncode, warm.stderr) == (0, "")
    assert "kernels are ready" in warm.stdout
    assert len(compiled(surplusd)) > 30
    outcome = demo(surplusd, tmp_path)
    assert outcome["referee"]["violation_s"] == 0.0
    assert outcome["daemon"]["mode"] == "normal"


def test_it_runs_where_the_clone_is_not(surplusd: Path, tmp_path: Path) -> None:
    where = [
        run(surplusd.with_name("python"), "-c", f"import {name}; print({name}.__file__)", cwd=tmp_path).stdout.strip()
        for name in ("controller", "drivers", "simulators", "configs")
    ]
    assert all(Path(file).is_relative_to(surplusd.parents[1]) for file in where), where
    site_file = Path(where[-1]).with_name("demo.yaml")
    checked = run(surplusd, "check", str(site_file), cwd=tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "208 devices" in checked.stdout
    # To compile the kernels anew would take longer than all else that is tested here; without that every second costs ten.
    outcome = demo(surplusd, tmp_path, seconds=3, NUMBA_DISABLE_JIT="1")
    assert outcome["referee"]["used_wh"] > 0.0


def demo(surplusd: Path, folder: Path, *, seconds: int = 8, **environment: str) -> Any:
    """Run the demo for a few seconds; return its result."""
    result = folder / "result.json"
    shown = run(surplusd, "demo", f"--for={seconds}s", "--seed=7", f"--json={result}", cwd=folder, **environment)
    assert shown.stderr == ""
    outcome = json.loads(result.read_text())
    assert outcome["referee"]["seconds"] >= seconds
    return outcome
