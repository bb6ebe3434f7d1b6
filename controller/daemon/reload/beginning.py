"""Which site a start runs: that of the site file, or, where the daemon before it did not end in good order, the one that ran."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from controller.daemon.reload.kept import KeptSite
from controller.site.changes import differences
from controller.site.loaded import LoadedSite, read_site
from drivers.errors import ConfigError, Refused

_log = logging.getLogger(__name__)
#: So many places of the site file are named.
_NAMED = 5
_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """`site`: what runs. `not_taken`: why the site file is not it, empty where it is. `unusable`: why what ran is not known."""

    site: LoadedSite
    not_taken: str = ""
    unusable: str = ""

    def note(self) -> None:
        """Log what a person should know of it."""
        if self.unusable:
            extra = {"event": "kept_site_unusable"}
            _log.error("what ran is not known, and the site file counts: %s", self.unusable, extra=extra)
        if self.not_taken:
            _log.warning("the site file is not what runs: %s", self.not_taken, extra={"event": "site_file_not_taken"})


def begin(path: Path, kept: KeptSite) -> Beginning:
    """Return what runs now; ConfigError where the site file counts and is wrong."""
    if not kept.is_marked:
        return Beginning(site=read_site(path))
    try:
        site = kept.read()
    except Refused as refusal:
        return Beginning(site=read_site(path), unusable=str(refusal))
    return Beginning(site=site, not_taken=_not_taken(path, site))


def _not_taken(path: Path, site: LoadedSite) -> str:
    try:
        changes = differences(site, read_site(path))
    except ConfigError as error:
        return wrong(str(error))
    return (
        f"the daemon was killed, and since it last took the file, this has changed: {some(changes)}" if changes else ""
    )


def wrong(errors: str) -> str:
    """Return in words that the file has mistakes; `errors`: a line for each."""
    first, *more = errors.splitlines()
    others = f", and {len(more)} more" if more else ""
    return f"it is wrong: {first[:_CHARACTERS]}{others}"


def some(changes: tuple[str, ...]) -> str:
    """Return the first places by name, and how many more there are."""
    more = f", and {len(changes) - _NAMED} more" if len(changes) > _NAMED else ""
    return ", ".join(changes[:_NAMED]) + more
