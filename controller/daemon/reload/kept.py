"""The site as it was last taken, kept in the state folder, with a mark that says that it runs.

The mark is there from the first ticks of a start to its orderly end. Where a start finds it, the daemon before it did not end by
anybody's will, and what it ran is what runs again, whatever stands in the site file by now.

Each crash point: what is kept is replaced whole before the mark is set, and before a reload counts. So a mark never stands
beside a site that was not checked as a whole; a crash between the two leaves no mark at a start, and at a reload a site that is
about to count.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from controller.site.loaded import LoadedSite, site_of
from controller.site.model import WAYS
from controller.site.own_models import OwnModels, read_models
from drivers.durable import replace_file, sync_folder
from drivers.errors import ConfigError, Refused

_KEPT: Final = "site.kept"
_MARK: Final = "site.running"
#: Profiles that ran and are others in their files now.
_PROFILES: Final = "site.profiles"
_STATE: Final = re.compile(r"^state:[ \t]*[\"']?(.+?)[\"']?[ \t]*(?:[ \t]#.*)?$", re.MULTILINE)


def kept_folder(path: Path, environ: Mapping[str, str]) -> Path:
    """Return the state folder of a site file that may be half-edited: systemd's, else as it stands there, else ``state``."""
    if of_systemd := environ.get("STATE_DIRECTORY", "").split(":")[0]:
        return Path(of_systemd)
    with contextlib.suppress(OSError):
        if found := _STATE.findall(path.read_text(encoding="utf-8", errors="replace")):
            return path.absolute().parent / str(found[-1])
    return path.absolute().parent / "state"


class KeptSite:
    """The site of the file at `path` as it was last taken, in `folder`. Not safe from several threads."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path, self._folder = path, folder
        self._file, self.mark = folder / _KEPT, folder / _MARK

    @property
    def is_marked(self) -> bool:
        """Whether a daemon ran and has not ended in good order, as far as can be seen."""
        return self.mark.exists()

    def read(self) -> LoadedSite:
        """Return what was kept last; Refused with the reason where that cannot be used."""
        try:
            digest, _, body = self._file.read_bytes().partition(b"\n")
            if hashlib.sha256(body).hexdigest() != digest.decode("latin-1"):
                raise Refused(f"{self._file}: it is not as it was written")
            kept = json.loads(body)
            if kept["path"] != str(self._path.absolute()):
                raise Refused(f"{self._file}: it is of another site file, {kept['path']}")
            return self._with_profiles(kept["raw"], kept["profiles"], self._models(kept))
        except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
            raise Refused(f"{self._file}: {error}") from error

    def _models(self, kept: Mapping[str, Any]) -> OwnModels | None:
        """Return the site's own models as they were, whatever stands in their file now."""
        text = kept.get("models")
        return None if text is None else read_models(self._path.absolute().parent / kept["raw"]["models"], text)

    def _with_profiles(self, raw: dict[str, Any], profiles: Mapping[str, str], models: OwnModels | None) -> LoadedSite:
        """Return the site with the profiles as they were: those that are others in their files now come from a copy."""
        copies = {path: self._copied(text) for path, text in profiles.items() if not _stands(Path(path), text)}
        folder = self._path.absolute().parent
        for source in (*raw["meters"], raw["surplus"]):
            for named in (source.get(way, {}) for way in WAYS):
                copy = copies.get(str(folder / named.get("profile", "")))
                if copy is not None:
                    named["profile"] = str(copy)
        return site_of(self._path, raw, models)

    def _copied(self, text: str) -> Path:
        content = text.encode()
        copy = self._folder / _PROFILES / f"{hashlib.sha256(content).hexdigest()[:16]}.yaml"
        copy.parent.mkdir(mode=0o700, exist_ok=True)
        replace_file(copy, content)
        return copy

    def keep(self, site: LoadedSite) -> None:
        """Replace what was kept, durably, and set the mark; OSError where that cannot be: then the old one stays."""
        models = site.site_file.models
        kept = {
            "path": str(self._path.absolute()),
            "raw": site.raw,
            "profiles": dict(site.profiles),
            "models": None if models is None else models.text,
        }
        body = json.dumps(kept, ensure_ascii=False).encode()
        replace_file(self._file, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        if not self.is_marked:
            replace_file(self.mark, b"")

    @contextlib.contextmanager
    def until_an_orderly_end(self) -> Iterator[None]:
        """Take the mark away when what is inside ends by somebody's will."""
        try:
            yield
        except (SystemExit, KeyboardInterrupt):
            self._unmark()
            raise
        self._unmark()

    def _unmark(self) -> None:
        # Where it cannot be taken away, the next start runs what has run, and says so.
        with contextlib.suppress(OSError):
            self.mark.unlink(missing_ok=True)
            sync_folder(self.mark)


def _stands(path: Path, text: str) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return path.read_text(encoding="utf-8") == text
    return False
