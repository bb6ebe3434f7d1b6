"""The files of the page: packed once, sent as they are, and kept by the browser until they are others."""

from __future__ import annotations

import gzip
import hashlib
import html
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Final, NamedTuple

from fastapi import Response

from controller.texts.phrases import Language
from controller.texts.words import words_of

_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".html": "text/html"}
_TEMPLATE: Final = "index.html"
_PLACE: Final = re.compile(r"\{\{(\w+)\}\}")
_FILE: Final = re.compile(r"page/files/([\w.]+)")
#: No script, style or picture of elsewhere counts, and nobody shows this page inside of another.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: Where a line is for whoever reads the source: what stands before its first word, and a line that only explains.
_FOR_READERS: Final = re.compile(rb"^[ \t]*//.*\n|^[ \t]+", re.MULTILINE)
#: What others have packed already.
_OF_OTHERS: Final = frozenset({"uplot.js"})
_RIGHT_TO_LEFT: Final = frozenset({Language.URDU})


class _Packed(NamedTuple):
    """A file, packed and as it is, with its type, and the mark that tells it from others."""

    packed: bytes
    plain: bytes
    kind: str
    mark: str

    @classmethod
    def of(cls, content: bytes, kind: str) -> _Packed:
        mark = hashlib.sha256(content).hexdigest()[:16]
        return cls(gzip.compress(content, 9, mtime=0), content, kind, mark)


class PageFiles:
    """All files of the page of one site, in every language."""

    def __init__(self, site: str) -> None:
        folder = files("controller.api.page").joinpath("static")
        self._files = {
            entry.name: _Packed.of(_sent(entry.name, entry.read_bytes()), kind)
            for entry in folder.iterdir()
            if entry.name != _TEMPLATE and (kind := _TYPES.get(entry.name[entry.name.rfind(".") :]))
        }
        template = _sent(_TEMPLATE, folder.joinpath(_TEMPLATE).read_bytes()).decode()
        self._pages = {language: self._made(template, site, language) for language in Language}

    def page(self, language: Language, asked: Mapping[str, str]) -> Response:
        """Return the page in a language; `asked`: the headers of the request."""
        answer = _answer(self._pages[language], asked, "no-cache")
        answer.headers["Content-Language"] = language.value
        answer.headers["Content-Security-Policy"] = _POLICY
        answer.headers["Referrer-Policy"] = "no-referrer"
        answer.headers["Vary"] = "Accept-Language, Accept-Encoding"
        return answer

    def file(self, name: str, asked: Mapping[str, str]) -> Response:
        """Return a file, 404 where there is none of that name."""
        found = self._files.get(name)
        return Response(status_code=404) if found is None else _answer(found, asked, "max-age=31536000, immutable")

    def _made(self, template: str, site: str, language: Language) -> _Packed:
        words = words_of(language)
        # What the records say is put into words before it comes to the page.
        told = {key: word for key, word in words.items() if not key.startswith("record_")}
        data = json.dumps(told, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
        known = {key: html.escape(word) for key, word in words.items()} | {
            "site": html.escape(site),
            "lang": language.value,
            "dir": "rtl" if language in _RIGHT_TO_LEFT else "ltr",
            "words": data,
        }
        made = _PLACE.sub(lambda found: known[found[1]], template)
        marked = _FILE.sub(lambda found: f"{found[0]}?{self._files[found[1]].mark}", made)
        return _Packed.of(marked.encode(), "text/html")


def language_of(wanted: str, accepted: str = "") -> Language:
    """Return the language that is wanted, else the first that a browser accepts (``Accept-Language``), else English."""
    ranked = sorted(map(_ranked, accepted.split(",")), key=lambda pair: -pair[0])
    for tag in (wanted, *(tag for _, tag in ranked)):
        if tag.partition("-")[0].strip().lower() in set(Language):
            return Language(tag.partition("-")[0].strip().lower())
    return Language.ENGLISH


def _ranked(part: str) -> tuple[float, str]:
    tag, _, weight = part.partition(";q=")
    return float(weight) if re.fullmatch(r"\s*[01](\.\d{1,3})?\s*", weight) else 1.0, tag


def _sent(name: str, source: bytes) -> bytes:
    """Return what a browser needs of a file; no text of ours goes over several lines."""
    return source if name in _OF_OTHERS else _FOR_READERS.sub(b"", source)


def _answer(file: _Packed, asked: Mapping[str, str], keep: str) -> Response:
    packs = "gzip" in asked.get("accept-encoding", "")
    mark = f'"{file.mark}{"-gz" if packs else ""}"'
    headers = {"ETag": mark, "Cache-Control": keep, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
    if asked.get("if-none-match") == mark:
        return Response(status_code=304, headers=headers)
    if packs:
        headers["Content-Encoding"] = "gzip"
    return Response(file.packed if packs else file.plain, media_type=f"{file.kind}; charset=utf-8", headers=headers)
