"""Build the Debian package: ``python deploy/package/build.py [--out dist]``.

The package has an environment of its own under /opt/surplusd/venv, on Debian's python3 and with the versions of ``uv.lock``.
Nothing is downloaded or compiled at the site but the kernels. The same commit gives the same files: all times are those of the
commit.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BIN = Path(sys.executable).parent
#: Debian 12's: the byte code in the package is for this version alone.
PYTHON = (3, 11)
VENV = Path("opt/surplusd/venv")
PACKAGES = VENV / f"lib/python{PYTHON[0]}.{PYTHON[1]}/site-packages"
#: What goes where, beside the environment. A folder is taken as a whole.
FILES = {
    "deploy/systemd/surplusd.service": "usr/lib/systemd/system/surplusd.service",
    "deploy/systemd/agent@.service": "usr/lib/systemd/system/agent@.service",
    "deploy/systemd/gpu-agent@.service": "usr/lib/systemd/system/gpu-agent@.service",
    "deploy/systemd/surplusd-backup.service": "usr/lib/systemd/system/surplusd-backup.service",
    "deploy/systemd/surplusd-backup.timer": "usr/lib/systemd/system/surplusd-backup.timer",
    "deploy/package/backup.sh": "opt/surplusd/backup.sh",
    "deploy/systemd/surplusd.sysusers": "usr/lib/sysusers.d/surplusd.conf",
    "deploy/package/surplusd.tmpfiles": "usr/lib/tmpfiles.d/surplusd.conf",
    "deploy/mosquitto": "usr/share/surplusd/mosquitto",
    "deploy/prometheus": "usr/share/surplusd/prometheus",
    "deploy/grafana/dashboards": "usr/share/surplusd/grafana/dashboards",
    "deploy/grafana/provisioning": "usr/share/surplusd/grafana/provisioning",
    "deploy/nginx": "usr/share/surplusd/nginx",
    "docs": "opt/surplusd/docs",
    # What the pages link to beside themselves.
    "README.md": "opt/surplusd/README.md",
    "SECURITY.md": "opt/surplusd/SECURITY.md",
    "CONTRIBUTING.md": "opt/surplusd/CONTRIBUTING.md",
    "CHANGELOG.md": "opt/surplusd/CHANGELOG.md",
    "LICENSE": "usr/share/doc/surplusd/copyright",
}
SCRIPTS = ("postinst", "prerm", "postrm")
LAUNCHER = f"""\
#!/{VENV}/bin/python
import sys
from controller.cli import main

sys.exit(main())
"""


def run(*command: str | Path, **more: str) -> str:
    """Run a command from the root of the project; return what it wrote. CalledProcessError where it fails."""
    environment = os.environ | more
    return subprocess.run(  # noqa: S603  the words are those of this file
        command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


def version() -> str:
    """Return the version of the project, and the place of the commit in the history, so that a later one is an upgrade."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return f"{project}+{run('git', 'rev-list', '--count', 'HEAD')}.g{run('git', 'rev-parse', '--short=8', 'HEAD')}"


def install(stage: Path, work: Path) -> None:
    """Install the locked dependencies and the wheel of this tree, as files."""
    uv, target = BIN / "uv", stage / PACKAGES
    run(uv, "build", "--quiet", "--wheel", "--out-dir", work)
    (wheel,) = work.glob("*.whl")
    extras = [word for extra in ("demo", "nvml", "snmp") for word in ("--extra", extra)]
    wanted = work / "requirements.txt"
    run(
        uv,
        "export",
        "--quiet",
        "--frozen",
        "--no-emit-project",
        "--no-default-groups",
        *extras,
        "--output-file",
        wanted,
    )
    common = ("pip", "install", "--quiet", "--python", "/usr/bin/python3", "--target", target, "--no-deps")
    run(uv, *common, "--only-binary", ":all:", "--require-hashes", "--requirement", wanted)
    run(uv, *common, wheel)
    # Commands of the libraries start with the path of the building machine, and nobody needs them, nor the libraries' own tests.
    for folder in [target / "bin", *target.rglob("tests")]:
        shutil.rmtree(folder)
    for file in target.glob("surplusd-*.dist-info/direct_url.json"):
        file.unlink()


def environment(stage: Path) -> None:
    """Write what makes the folder a virtual environment of Debian's python3, and the one command."""
    commands = stage / VENV / "bin"
    commands.mkdir(parents=True)
    (commands / "python").symlink_to("/usr/bin/python3")
    (stage / VENV / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    (commands / "surplusd").write_text(LAUNCHER)
    (commands / "surplusd").chmod(0o755)
    link = stage / "usr/bin/surplusd"
    link.parent.mkdir(parents=True)
    link.symlink_to(Path("/", VENV, "bin/surplusd"))


def copy(stage: Path) -> None:
    """Copy units, deploy files and pages, those that git knows."""
    known = run("git", "ls-files").splitlines()
    for source, place in FILES.items():
        for name in (name for name in known if name == source or name.startswith(f"{source}/")):
            there = stage / place / Path(name).relative_to(source) if name != source else stage / place
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, there)
            there.chmod(0o755 if there.suffix == ".sh" else 0o644)


def files(stage: Path) -> Iterator[Path]:
    """Yield what is in the package, sorted."""
    yield from sorted(path for path in stage.rglob("*") if "DEBIAN" not in path.relative_to(stage).parts)


def compile_all(stage: Path, at_s: int) -> None:
    """Give everything the time of the commit, and compile: without byte code every start takes twice as long."""
    for path in files(stage):
        if not path.is_symlink():
            os.utime(path, (at_s, at_s))
    source = ("-m", "compileall", "-q", "-j", "0", "-s", stage, "-p", "/", "--invalidation-mode", "timestamp")
    run("/usr/bin/python3", *source, stage / PACKAGES)


def control(stage: Path, named: str) -> None:
    """Write the package's own files: control, sums, scripts."""
    folder = stage / "DEBIAN"
    folder.mkdir()
    plain = [path for path in files(stage) if path.is_file() and not path.is_symlink()]
    sums = [f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(stage)}\n" for path in plain]  # noqa: S324 dpkg's
    (folder / "md5sums").write_text("".join(sums))
    kilobytes = sum(path.stat().st_size for path in plain) // 1024
    text = (HERE / "control").read_text()
    filled = {"@version@": named, "@architecture@": run("dpkg", "--print-architecture"), "@size@": str(kilobytes)}
    for word, value in filled.items():
        text = text.replace(word, value)
    (folder / "control").write_text(text)
    for name in SCRIPTS:
        shutil.copyfile(HERE / name, folder / name)
        (folder / name).chmod(0o755)


def main() -> None:
    """Build it; print its path."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--version", default=version())
    arguments = parser.parse_args()
    if (found := run("/usr/bin/python3", "-c", "import sys; print(*sys.version_info[:2])")) != "{} {}".format(*PYTHON):
        raise SystemExit(f"/usr/bin/python3 is {found.replace(' ', '.')}; the package is built with Debian 12's, 3.11")
    at_s = int(run("git", "log", "-1", "--format=%ct"))
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder, "stage")
        stage.mkdir(mode=0o755)
        install(stage, Path(folder))
        environment(stage)
        copy(stage)
        compile_all(stage, at_s)
        control(stage, arguments.version)
        arguments.out.mkdir(parents=True, exist_ok=True)
        # Debian 12's dpkg reads zstd, and unpacks it in a fraction of xz's time.
        made = run(
            "dpkg-deb",
            "--root-owner-group",
            "-Zzstd",
            "-z9",
            "--build",
            stage,
            arguments.out,
            SOURCE_DATE_EPOCH=str(at_s),
        )
    print(made.rpartition("'")[0].rpartition("'")[2])  # noqa: T201


if __name__ == "__main__":
    main()
