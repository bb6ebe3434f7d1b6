"""The scenes of `tests/e2e/scenes.py` on the demo's site of 208 devices, over a real mosquitto, each with its figures."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from simulators.world.vices import Vice
from tests.brokers import mosquitto_broker
from tests.deploy.prometheus import firing, prometheus
from tests.e2e.scenes import Scene, agent_dies, agents_hang, devices_defy, devices_obey
from tests.e2e.yard import PLENTY, Yard, options
from tests.simulated_devices import states_of

ROOT: Final = Path(__file__).parents[2]
RULES: Final = ROOT / "deploy/prometheus/surplusd-rules.yml"
#: 161 kW of the site, and by how much the second order is below what the others can do.
AGENT: Final = "hall-a1"
BELOW_W: Final = 20e3
DEFIANT: Final = 30
#: The site draws no more for so long: it has all that it wants.
_CALM_S: Final = 6.0
_CALM: Final = 0.01


@contextmanager
def demo_site(*words: str) -> Iterator[Scene]:
    """The demo's site at full power, each agent a process of its own."""
    with tempfile.TemporaryDirectory() as name, mosquitto_broker(Path(name)) as broker:
        text = (ROOT / "configs/demo.yaml").read_text(encoding="utf-8")
        yard = Yard(Path(name), broker, options(PLENTY, "--agents-apart", *words), text)
        try:
            # What the kernel of this machine says of its clock is no part of a scene.
            yard.synchronise()
            yard.processes.open()
            scene, most = Scene(yard), [0.0, 0.0]
            scene.watch(lambda look: look.mode == "normal" and _has_all(most, look.site_w, look.at_s), "full power")
            yield scene
        finally:
            yard.close()


def _has_all(most: list[float], site_w: float, at_s: float) -> bool:
    if site_w > (1.0 + _CALM) * most[0]:
        most[:] = [site_w, at_s]
    return at_s - most[1] > _CALM_S


def hang(figures: dict[str, object]) -> None:
    """All agents hang."""
    with demo_site() as scene:
        scene.figures = figures
        with prometheus(scene.yard.setup.url.removeprefix("http://"), RULES) as api:
            agents_hang(scene, partial(firing, api))


def die(figures: dict[str, object]) -> None:
    """One agent dies, and its miners run on."""
    with demo_site() as scene:
        scene.figures = figures
        agent_dies(scene, AGENT, BELOW_W)


def defy(figures: dict[str, object], *, vice: Vice, relays: bool) -> None:
    """Of 200 miners 30 do not come down as they are told: the others absorb it, or relays cut them off."""
    with demo_site(*(("--relays=all",) if relays else ())) as scene:
        scene.figures = figures
        miners = [id_ for id_ in scene.yard.site.devices.ids if not id_.startswith("gpu")]
        chosen = miners[:: len(miners) // DEFIANT][:DEFIANT]
        devices_defy(scene, chosen, vice)
        figures["draw_on"] = len(drawing := _draw_on(scene.yard, chosen))
        assert bool(drawing) == (vice is Vice.DEAF and not relays), scene.tell()
        assert bool(scene.looks[-1].text("device_defiant")) == bool(drawing), scene.tell()
        devices_obey(scene, chosen, vice)


def _draw_on(yard: Yard, devices: Sequence[str]) -> list[str]:
    """Return which of these devices are to be off, by their agents' stores, and are not; one that is cut off says nothing."""
    told_w, states = yard.applied_w(), states_of(yard.setup.world, devices)
    off_w = dict(zip(yard.site.devices.ids, yard.site.devices.off_w.tolist(), strict=True))
    return [id_ for id_ in devices if told_w[id_] <= off_w[id_] and states.get(id_, "off") != "off"]


SCENES: Final[dict[str, Callable[[dict[str, object]], None]]] = {
    "hang": hang,
    "die": die,
    "ignoring": partial(defy, vice=Vice.IGNORES_LOWERING, relays=False),
    "ignoring-relays": partial(defy, vice=Vice.IGNORES_LOWERING, relays=True),
    "deaf": partial(defy, vice=Vice.DEAF, relays=False),
    "deaf-relays": partial(defy, vice=Vice.DEAF, relays=True),
}


def scenes_played(out: Path) -> dict[str, str]:
    """Play every scene once, with its figures in ``OUT/scenes.json``."""
    figures: dict[str, dict[str, object]] = {name: {} for name in SCENES}
    found = {}
    for name, play in SCENES.items():
        try:
            play(figures[name])
        except AssertionError as error:
            found[name], figures[name]["error"] = "failed", str(error)
        else:
            found[name] = "passed"
        (out / "scenes.json").write_text(json.dumps(figures, indent=2) + "\n")
    return found
