"""What the pages tell the operator to install is in the package."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "docs" / name for name in ("install.md", "proxy.md")]


def test_every_file_that_is_installed_is_in_the_package():
    """Blocks of commands that begin in a folder of the package; what they install has to be in it."""
    text = "\n".join(page.read_text() for page in PAGES)
    packed = runpy.run_path(str(ROOT / "deploy/package/build.py"))["FILES"]
    blocks = re.findall(r"^cd /usr/share/surplusd/(\w+)\n(.+?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    assert {folder for folder, _ in blocks} == {"mosquitto", "prometheus", "grafana", "nginx"}
    named = [
        f"deploy/{folder}/{word}"
        for folder, block in blocks
        for line in block.splitlines()
        if line.startswith("install ") and "/secure/" not in line
        for word in line.split()[1:-1]
        if re.fullmatch(r"[\w/.-]+\.(ya?ml|json|conf|acl)", word)
    ]
    assert len(named) >= 9
    assert [name for name in named if not (ROOT / name).is_file()] == []
    assert [name for name in named if not any(name.startswith(f"{source}/") for source in packed)] == []
    assert packed["deploy/nginx"] == "usr/share/surplusd/nginx"


def test_what_the_operators_pages_link_to_is_in_the_package():
    packed = runpy.run_path(str(ROOT / "deploy/package/build.py"))["FILES"]
    linked = {
        (page.parent / target).resolve().relative_to(ROOT)
        for page in (ROOT / "docs").glob("*.md")
        for target in re.findall(r"\]\((\.\./[A-Z]\w+\.md)", page.read_text())
    }
    assert linked
    assert {str(path): packed.get(str(path)) for path in linked} == {
        str(path): f"opt/surplusd/{path}" for path in linked
    }
