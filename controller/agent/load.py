"""From a file to a checked agent's file; all mistakes are reported at once."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from controller.agent.checks import agent_problems
from controller.agent.model import AgentFile
from controller.site.document import Document, read_document
from controller.site.own_models import catalogue_of
from controller.site.reading import FileKind
from drivers.devices.families import load_families
from drivers.errors import ConfigError

AGENT_FILE: Final = FileKind(AgentFile, "agent file")


def load_agent(path: Path) -> AgentFile:
    """Return the agent that a file describes; raises ConfigError with a line for each mistake, as for a site file."""
    return checked_agent(read_document(path))


def checked_agent(document: Document) -> AgentFile:
    """Return the agent that a document describes; raises ConfigError as above."""
    file = AGENT_FILE.read(document)
    problems = [*document.problems, *agent_problems(file, load_families(), catalogue_of(file.models))]
    if problems:
        raise ConfigError("\n".join(AGENT_FILE.lines(document, problems)))
    return file
