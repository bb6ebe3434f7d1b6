"""Models of the demo's own: where a family takes longer to tell a device than the bundled model says, the site file has to say so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

from drivers.devices.families import Family
from drivers.fleet.catalogue import Model, load_catalogue
from drivers.strict_yaml import plain_values

Raw = dict[str, Any]


def model_of(model: str, family: Family) -> str:
    """Return the model of a device that is led by a family: the bundled one, or one of the demo's own with the longer times."""
    return f"{model}-{family.name}" if _is_slower(load_catalogue()[model], family) else model


def own_models(led: Iterable[tuple[str, Family]]) -> Mapping[str, Raw]:
    """Return the models of the demo's own, by id, as a site file has them; `led`: bundled models, each with a family that leads it."""
    bundled: Mapping[str, Raw] = plain_values(
        files("drivers.fleet").joinpath("models.yaml").read_bytes(), "models.yaml"
    )["models"]
    return {
        model_of(model, family): _longer(bundled[model], load_catalogue()[model], family)
        for model, family in led
        if _is_slower(load_catalogue()[model], family)
    }


def _is_slower(model: Model, family: Family) -> bool:
    return family.down_s > model.down_s or family.up_s > model.up_s


def _longer(raw: Raw, model: Model, family: Family) -> Raw:
    times = {"down": f"{max(model.down_s, family.down_s):g} s", "up": f"{max(model.up_s, family.up_s):g} s"}
    why = f"the longer ones of the model and of the family {family.name}"
    return raw | times | {"sources": raw["sources"] | {"times": why}}
