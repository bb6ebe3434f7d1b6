"""What an agent runs by, kept while it runs: after a crash it runs that again, whatever stands in its file by then.

A file that is being edited may be wrong, or right and without half of its devices; neither is to keep the agent from what it led
a second ago. After an orderly end the file counts.
"""

from __future__ import annotations

import contextlib
import copy
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from controller.agent.load import checked_agent
from controller.agent.model import AgentFile
from controller.site.document import Document, read_document
from controller.site.own_models import read_models
from drivers.durable import replace_file
from drivers.errors import ConfigError

_log = logging.getLogger(__name__)
#: By systemd: the folder that the unit keeps, whatever the file says.
_STATE: Final = "STATE_DIRECTORY"


class KeptFile:
    """The file at `path`, and what is kept of it: in systemd's state folder, or beside it."""

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self._path = path
        self._kept = Path(environment.get(_STATE) or path.absolute().parent) / f"{path.stem}.running.json"
        self._taken: Any = None

    def begin(self) -> AgentFile:
        """Return what is to be run; raises ConfigError where nothing ran before and the file is wrong."""
        before = self._read_kept()
        if before is not None:
            try:
                file = self._file_of(before)
            except (ConfigError, KeyError, TypeError) as error:
                _log.error("what ran before cannot be run: %s", error, extra={"event": "kept_file_unusable"})
            else:
                self._compare(before)
                return file
        file, self._taken = self._read()
        return file

    def _read(self) -> tuple[AgentFile, dict[str, Any]]:
        """Return what the file says now, and what is to be kept of it: its values, and the text of its own models' file."""
        document = read_document(self._path)
        raw = copy.deepcopy(document.data)
        file = checked_agent(document)
        return file, {"raw": raw, "models": None if file.models is None else file.models.text}

    def _file_of(self, kept: Mapping[str, Any]) -> AgentFile:
        """Return the file that was kept, with its own models as they were, whatever stands in their file now."""
        raw, text = dict(kept["raw"]), kept["models"]
        if text is not None:
            raw["models"] = read_models(self._path.absolute().parent / raw["models"], text)
        return checked_agent(_document(self._path, raw))

    @contextlib.contextmanager
    def until_an_orderly_end(self) -> Iterator[None]:
        """Keep what was taken while what is inside runs, and let the file count again where that ends in good order."""
        if self._taken is not None:
            self._keep(self._taken)
        yield
        self._kept.unlink(missing_ok=True)

    def _read_kept(self) -> Any:
        try:
            return msgspec.json.decode(self._kept.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            _log.error("what ran before is not known: %s", error, extra={"event": "kept_file_unusable"})
            return None

    def _keep(self, content: Any) -> None:
        try:
            replace_file(self._kept, msgspec.json.encode(content), make_folder=True)
        except OSError as error:
            _log.error("what runs is not kept: %s", error, extra={"event": "file_not_kept"})

    def _compare(self, kept: Any) -> None:
        """Say where the file, or that of its models, says something else than what runs."""
        try:
            same = self._read()[1] == kept
        except ConfigError:
            same = False
        if not same:
            text = "%s is not taken after a crash: what ran before runs; restart the agent to take it"
            _log.error(text, self._path, extra={"event": "file_not_taken"})


def _document(path: Path, raw: dict[str, Any]) -> Document:
    nowhere = yaml.MappingNode("tag:yaml.org,2002:map", [], yaml.Mark(str(path), 0, 0, 0, "", 0))
    return Document(path=path, root=nowhere, data=raw, problems=[])
