"""A machine for the commands of the guides: a folder that has its paths, and stand-ins for what would change a real one.

Everything else is real: openssl, SQLite, tar, install, surplusd itself.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.docs.guides import ROOT
from tests.waiting import DEADLINE_S

#: Paths of a machine that a page may name.
_PLACES: Final = re.compile(r"(?<![\w./-])/(?=(?:etc|var|usr/share|secure|root|opt)/)")
#: Programs that only note what they were asked; a body says what they do besides.
_STAND_INS: Final = {
    "apt": "", "systemctl": "", "journalctl": "", "chown": "", "chronyc": "", "nginx": "", "amtool": "", "promtool": "",
    "runuser": 'shift 3; exec "$@"',
    # Users and groups of the machine are not here, and to be them takes root.
    "install": 'words=(); while [ $# -gt 0 ]; do case $1 in -o|-g) shift;; *) words+=("$1");; esac; shift; done; exec /usr/bin/install "${words[@]}"',
    "ssh": 'while [ "${1#-}" != "$1" ]; do [ "$1" = -L ] && shift; shift; done; shift; "$@"',
    # What a server refuses fails, so that no page shows a call that is refused.
    "curl": 'exec /usr/bin/curl --silent --show-error --fail-with-body "$@"',
}  # fmt: skip
#: The verbs whose exit status says how the site is.
_LAUNCHER: Final = """\
import sys
from pathlib import Path
from controller.commands import asking, clock
asking.SITE = clock.SITE = Path({site!r})
from controller.cli import main
status = main()
sys.exit(0 if status == 1 and sys.argv[1] in {{"status", "doctor"}} else status)
"""


class PageMachine:
    """A machine in the folder `root`; `site` is its site file."""

    def __init__(self, root: Path) -> None:
        self.root, self.site, self._bin = root, root / "etc/surplusd/site.yaml", root / "bin"
        for folder in ("bin", "etc/surplusd", "etc/mosquitto/certs", "etc/prometheus", "etc/nginx/conf.d", "etc/bash_completion.d",
                       "etc/grafana/provisioning/datasources", "etc/grafana/provisioning/dashboards", "secure/site", "root",
                       "usr/share", "var/lib", "var/backups"):  # fmt: skip
            (root / folder).mkdir(parents=True)
        (root / "usr/share/surplusd").symlink_to(ROOT / "deploy")
        (root / "launcher.py").write_text(_LAUNCHER.format(site=str(self.site)))
        launch = f'exec {sys.executable} {root}/launcher.py "$@"'
        for name, body in {**_STAND_INS, "surplusd": launch}.items():
            script = self._bin / name
            script.write_text(f'#!/bin/bash\necho "{name} $*" >>"{root}/asked"\n{body}\n')
            script.chmod(0o755)

    def here(self, text: str) -> str:
        """Return commands of a page with the paths of this machine."""
        return _PLACES.sub(f"{self.root}/", text).replace("-C / ", f"-C {self.root} ")

    def type(self, text: str, *, within: Path | None = None, **environment: str) -> str:
        """Type commands of a page into a shell in a folder; return what they print. AssertionError where one fails."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.here(text)],
            cwd=within or self.root,
            env=os.environ
            | {"PATH": f"{self._bin}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
            | environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def asked(self) -> list[str]:
        """Return what was asked of programs that stand in, and of surplusd."""
        return (self.root / "asked").read_text().splitlines()
