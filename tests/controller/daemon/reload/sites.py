"""Site files for the tests of what is kept and taken over: the small site of the tests, with files of its own."""

from __future__ import annotations

import secrets
from pathlib import Path

from tests.controller.site.conftest import SMALL
from tests.drivers.fleet.test_own_models import EXAMPLE, OWN

PROFILE = "id: own\n"


class Folder:
    """The folder of a site file, with a profile, a token and a state folder."""

    def __init__(self, path: Path) -> None:
        self.path, self.file, self.state = path, path / "site.yaml", path / "state"
        self.profile = path / "profiles" / "own.yaml"
        self.profile.parent.mkdir()
        self.profile.write_text(PROFILE)
        self.models = path / "own.yaml"
        self.models.write_text(EXAMPLE)
        self.state.mkdir()
        self.token("authority")
        self.write()

    def write(self, *changes: tuple[str, str]) -> None:
        """Write the site file with these changes to it."""
        text = SMALL
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        self.file.write_text(text)

    def token(self, name: str) -> None:
        """Make a new token of that name."""
        file = self.path / f"{name}.token"
        file.write_text(secrets.token_hex(32))
        file.chmod(0o600)


#: A group is of a model of the site's own.
OWN_MODEL = ("id: s21, model: antminer-s21", f"id: s21, model: {OWN}")
OWN_MODELS = ("orders:\n", "models: own.yaml\norders:\n")
HIGHER = ("contract: 100 kW", "contract: 110 kW")
HALF_EDITED = ("contract: 100 kW", "contract: 1")
LEASE = ("lease: 20 s", "lease: 25 s")
