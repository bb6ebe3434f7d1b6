"""From a file to a checked site file; all mistakes are reported at once."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from controller.site.checks import site_problems
from controller.site.document import Document, read_document
from controller.site.model import SiteFile
from controller.site.own_models import catalogue_of
from controller.site.reading import FileKind
from drivers.errors import ConfigError

SITE_FILE: Final = FileKind(SiteFile, "site file")


def load(path: Path) -> SiteFile:
    """Return the site that a file describes.

    Raises ConfigError with a line ``FILE:LINE:COLUMN: path.to.key: found X; allowed is Y`` for each mistake.
    """
    return checked(read_document(path))


def checked(document: Document) -> SiteFile:
    """Return the site that a document describes. Raises ConfigError as above."""
    site = SITE_FILE.read(document)
    problems = [*document.problems, *site_problems(site, catalogue_of(site.models))]
    if problems:
        raise ConfigError("\n".join(SITE_FILE.lines(document, problems)))
    return site
