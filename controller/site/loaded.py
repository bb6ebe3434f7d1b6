"""A site file as it was read at one time: its values, what was checked of them, and the profiles that it names."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from controller.site.document import Document, read_document
from controller.site.entries import read_entries
from controller.site.load import checked
from controller.site.model import SiteFile
from controller.site.own_models import OwnModels
from controller.site.problems import Loc
from drivers.errors import ConfigError
from drivers.meters.dlms.profiles import bundled_dlms_profiles
from drivers.meters.payloads.profiles import bundled_payloads
from drivers.meters.profiles import bundled_profiles


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSite:
    """`path`: of the site file. `raw`: its values as they stand there. `profiles`: text of each profile file, by path."""

    path: Path
    raw: Mapping[str, Any]
    site_file: SiteFile
    profiles: Mapping[str, str]


def read_site(path: Path) -> LoadedSite:
    """Return the site that the file describes now. Raises ConfigError with a line for each mistake."""
    document = read_document(path)
    return _loaded(document, document.data)


def site_of(path: Path, raw: Mapping[str, Any], models: OwnModels | None) -> LoadedSite:
    """Return the site of these values, as if they stood in the file at `path`. Raises ConfigError as above.

    `models`: what the file of the site's own models held, where `raw` names one; those that stand in `raw` are read from there.
    """
    nowhere = yaml.MappingNode("tag:yaml.org,2002:map", [], yaml.Mark(str(path), 0, 0, 0, "", 0))
    data = copy.deepcopy(dict(raw))
    if models is not None and models.text is not None:
        data["models"] = models
    return _loaded(Document(path=path, root=nowhere, data=data, problems=[]), raw)


def _loaded(document: Document, raw: Mapping[str, Any]) -> LoadedSite:
    site_file = checked(document)
    bundled = {*bundled_profiles(), *bundled_dlms_profiles(), *bundled_payloads()}
    paths = {profile for _, profile in profiles_of(site_file) if profile not in bundled}
    return LoadedSite(
        path=document.path,
        raw=raw,
        site_file=site_file,
        profiles={path: _text(path) for path in sorted(paths)},
    )


def profiles_of(site_file: SiteFile) -> Iterator[tuple[Loc, str]]:
    """Yield where the file names a meter profile, and which: its id, or its path."""
    for loc, entry in read_entries(site_file):
        for way, source in (("modbus", entry.modbus), ("dlms", entry.dlms), ("http", entry.http), ("mqtt", entry.mqtt)):
            if source is not None and source.profile is not None:
                yield (*loc, way, "profile"), source.profile


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"profile: found {path!r} ({error}), allowed is a profile file") from error
