"""Five states of the demo's site, brought about on simulators, and how each is shown: the page, the dashboards, `surplusd status`.

They are for a reader who has never seen the site: what is wrong, since when, what to do?
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Final

from simulators.world.vices import Vice
from tests.browser import Browser
from tests.deploy.picture import DASHBOARDS, photograph, picture
from tests.deploy.prometheus import RECORDS, prometheus
from tests.e2e.scenes import Scene
from tests.verify.scenes import AGENT, demo_site

SIZES: Final = {"desk": (1280, 800), "phone": (360, 740)}
LANGUAGES: Final = ("en", "ur", "id")
#: Above the fold of a screen of 1080 lines stands what the dashboards begin with.
_SCREEN_PX: Final = 1080
#: A state lasts so long before it is looked at, and the dashboards show so much.
_LASTS_S: Final = 25.0
_SHOWN_S: Final = 180.0
#: The surplus as the states begin, and what is left of it where it falls: below what the hung agent's devices draw.
SURPLUS_W, LEFT_W = 560e3, 80e3
#: Samples of a recording that is replayed thirty times faster: half a minute each, an hour and more in all.
_SAMPLES, _SAMPLE_MIN, _FALLS_AFTER = 140, 15, 1
STARTS: Final = "2026-01-01T00:00:00"
_DEFIANT: Final = 40
_LIVE: Final = "document.body.className === 'live' && !main.hidden && document.querySelector('#chart canvas') && document.querySelector('#devices tbody tr')"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`begin` brings it about; then the interface calls the site so, and names these reasons."""

    begin: Callable[[Scene], object]
    called: str
    codes: frozenset[str] = frozenset()


def _hung(scene: Scene) -> None:
    """One agent hangs, its miners run on, and most of the surplus goes."""
    scene.yard.processes.hang(AGENT, on=True)
    scene.yard.world.ready()


def _defied(scene: Scene) -> None:
    """A fifth of the miners obeys nothing, and the authority orders less than they draw."""
    miners = [id_ for id_ in scene.yard.site.devices.ids if not id_.startswith("gpu")]
    scene.yard.world.set_vice(miners[:: len(miners) // _DEFIANT], Vice.DEAF, on=True)
    scene.order("cut-7", 120e3)


def _doubted(scene: Scene) -> None:
    """The second meter of the site comes back with another ratio of its current transformers."""
    scene.yard.restart("pcc-check", "--scale-error=0.75")


def _unmetered(scene: Scene) -> None:
    """Both meters of the site are gone."""
    scene.yard.kill("pcc-main")
    scene.yard.kill("pcc-check")


STATES: Final = {
    "normal": State(begin=lambda _: None, called="normal"),
    "over": State(begin=_hung, called="over", codes=frozenset({"over_envelope", "agent_silent"})),
    "not-met": State(begin=_defied, called="over", codes=frozenset({"device_defiant"})),
    "doubted": State(begin=_doubted, called="hold", codes=frozenset({"meters_disagree"})),
    "failsafe": State(begin=_unmetered, called="failsafe", codes=frozenset({"no_site_meter"})),
}


def states_shown(out: Path, only: Iterable[str] = STATES) -> dict[str, str]:
    """Bring each state about, and write its pictures and texts into ``OUT/states``."""
    folder, found = out / "states", {}
    folder.mkdir(parents=True, exist_ok=True)
    for name in only:
        try:
            _shown(name, STATES[name], folder)
        except AssertionError as error:
            found[name] = "failed"
            (folder / f"{name}.error").write_text(f"{error}\n")
        else:
            found[name] = "passed"
    return found


def _shown(name: str, state: State, folder: Path) -> None:
    recording = folder / "surplus.csv"
    recording.write_text(falling())
    words = (
        f"--surplus-csv={recording}",
        "--column=surplus_w",
        f"--start={STARTS}",
        f"--scale={SURPLUS_W} W",
    )
    with demo_site(*words) as scene, prometheus(scene.yard.setup.url.removeprefix("http://"), RECORDS) as api:
        _vouched(scene)
        state.begin(scene)
        told = scene.watch(
            lambda look: look.status["state"] == state.called and state.codes <= codes_of(look.status), name
        )
        scene.watch_for(_LASTS_S)
        assert scene.looks[-1].status["state"] == state.called, scene.tell()
        (folder / f"{name}.json").write_text(json.dumps(told.status, indent=1))
        (folder / f"{name}.status.txt").write_text(_said(scene))
        _photograph_page(scene, folder, name)
        for path in DASHBOARDS.iterdir():
            page = picture(api, json.loads(path.read_text()), _SHOWN_S)
            photograph(page, folder / f"{name}.{path.stem}.png", _SCREEN_PX)


def _vouched(scene: Scene) -> None:
    """Have the authority vouch for the clock, as on a site that has run for a while."""
    body = {"utc": datetime.now(UTC).isoformat(), "reason": "as my own clock shows it"}
    answer = scene.yard.ask("/api/v1/clock/confirm", body)
    assert answer.code == HTTPStatus.OK, answer


def falling() -> str:
    """Return a recording of a surplus that falls once, and stays so."""
    levels_w = [SURPLUS_W] * _FALLS_AFTER + [LEFT_W + each % 3 for each in range(_SAMPLES)]
    minutes = (each * _SAMPLE_MIN for each in range(len(levels_w)))
    times = (f"2026-01-{1 + at // 1440:02d}T{at % 1440 // 60:02d}:{at % 60:02d}:00" for at in minutes)
    return "time,surplus_w\n" + "".join(f"{at},{watts}\n" for at, watts in zip(times, levels_w, strict=True))


def codes_of(status: dict[str, object]) -> set[str]:
    """Return every code that stands anywhere in a status."""
    found, left = set(), [status]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            found |= {str(each["code"])} if "code" in each else set()
            left += list(each.values())
        elif isinstance(each, list):
            left += each
    return found


def _said(scene: Scene) -> str:
    """Return what `surplusd status` says."""
    setup = scene.yard.setup
    command = [
        sys.executable,
        "-m",
        "controller.cli",
        "status",
        "--url",
        setup.url,
        "--token-file",
        str(setup.token_file("viewer")),
    ]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout


def _photograph_page(scene: Scene, folder: Path, name: str) -> None:
    """Photograph the page as an operator has it, in each language and size."""
    setup = scene.yard.setup
    token = setup.token_file("operator").read_text().strip()
    with tempfile.TemporaryDirectory() as profile, Browser(Path(profile)) as browser:
        for language in LANGUAGES:
            for size, (width, height) in SIZES.items():
                page = browser.page(width, height, languages=f"{language}-XX,{language};q=0.9")
                page.go(setup.url)
                page.wait("!document.getElementById('enter').hidden")
                page.run(
                    f"document.getElementById('token').value = {token!r}; document.querySelector('#enter button').click()"
                )
                page.wait(_LIVE)
                page.shot(folder / f"{name}.page.{language}.{size}.png")
        browser.close_pages()
