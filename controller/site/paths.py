"""Paths; a relative one starts at the folder of the site file."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from controller.site.problems import one_of
from controller.site.texts import matching
from controller.site.value_type import NotAllowedError, ValueType
from drivers.meters.payloads.profiles import bundled_payloads
from drivers.meters.profiles import bundled_profiles
from drivers.meters.ways import ways_of


class PathLeaf(ValueType):
    """The path of a file or folder, which need not exist yet."""

    __slots__ = ()

    def read(self, value: object, folder: Path) -> Path:
        """Return the path, absolute where the folder is."""
        return folder / path_text(value)


class CertificateLeaf(PathLeaf):
    """The path of a certificate or key; asyncua tells its format by the name alone."""

    __slots__ = ()

    def read(self, value: object, folder: Path) -> Path:
        """Return the path, absolute where the folder is."""
        if not path_text(value).endswith((".pem", ".der")):
            raise NotAllowedError
        return super().read(value, folder)


@dataclass(frozen=True, slots=True, eq=False)
class ProfileLeaf(ValueType):
    """A meter profile: the id of one of those that are `bundled`, or the path of a YAML file that exists."""

    bundled: Callable[[], Collection[str]] = bundled_profiles

    def read(self, value: object, folder: Path) -> str:
        """Return the id, or the path as text."""
        name, known = path_text(value), self.bundled()
        if name in known:
            return name
        if not name.endswith((".yaml", ".yml")) or not _is_file(folder / name):
            elsewhere = f"beside `{ways[0]}:` alone; here " if (ways := ways_of(name)) else ""
            raise NotAllowedError(f"{elsewhere}a YAML file that exists, or one of {one_of(known, name)}")
        return str(folder / name)


def path_text(value: object) -> str:
    """Return a value that can be a path; raises NotAllowedError."""
    if not isinstance(value, str) or not value.isprintable() or not value.strip():
        raise NotAllowedError
    return value


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, a folder that may not be entered: no file for us
        return False


_TEXT = {"type": "string", "minLength": 1}
#: From where a path starts, in words.
FROM: Final = "(a relative one starts at the folder of this file)"
FilePath = Annotated[Path, PathLeaf(parse=Path, allowed=f"a path {FROM}", json=_TEXT)]
DevicePath = Annotated[
    str, matching("/[!-~]+", "the absolute path of a device, such as /dev/serial/by-id/usb-FTDI-if00-port0")
]
CertificatePath = Annotated[
    Path, CertificateLeaf(parse=Path, allowed=f"a path {FROM} that ends in .pem or .der", json=_TEXT)
]
ProfileName = Annotated[
    str, ProfileLeaf(parse=str, allowed=f"a bundled profile, or the path of a YAML file {FROM}", json=_TEXT)
]
PayloadName = Annotated[
    str,
    ProfileLeaf(
        parse=str, allowed=f"a bundled profile, or the path of a YAML file {FROM}", json=_TEXT, bundled=bundled_payloads
    ),
]
