"""The journal's head in a file of its own: it shows that records are gone that the journal itself no longer knows of."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from drivers.durable import replace_file
from drivers.errors import Refused
from drivers.fleet.head import JournalHead, open_head, seal
from drivers.fleet.keys import PrivateKey

#: A token is shorter; whatever stands in the file must not fill the memory.
_MOST_BYTES: Final = 2048


class HeadFile:
    """One file with one head token, replaced whole and durably. Not safe from several threads."""

    def __init__(self, path: Path, *, site: str, key: PrivateKey) -> None:
        self._path, self._site, self._key = path, site, key

    def __str__(self) -> str:
        """Return its path."""
        return str(self._path)

    @property
    def is_there(self) -> bool:
        """Whether anything stands there."""
        return self._path.exists()

    def read(self) -> JournalHead:
        """Return the head that was written last; Refused with the reason where there is none, or none of this controller's."""
        try:
            with self._path.open("rb") as file:
                text = file.read(_MOST_BYTES).decode()
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(f"{self._path}: {error}") from error
        if not text.endswith("\n"):
            raise Refused(f"{self._path}: it is cut off")
        return open_head(text[:-1], self._key.public_key(), site=self._site)

    def write(self, head: JournalHead) -> None:
        """Replace what is there; OSError, and the old head stays, where that cannot be."""
        replace_file(self._path, seal(head, site=self._site, key=self._key).encode() + b"\n")
