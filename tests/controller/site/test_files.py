"""What is shipped: the examples, the schema, the documentation."""

import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from controller.site.compile import compile_site
from controller.site.load import SITE_FILE, load
from controller.site.reference import tables

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "configs").glob("*.yaml"))


class Loader(yaml.SafeLoader):
    """Reads as an editor does: by YAML 1.2, where `off` is a word."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if not tag.endswith("bool")]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def plain(path):
    return yaml.load(path.read_text(), Loader=Loader)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_pass(path):
    site = compile_site(load(path))
    assert len(site.devices.ids) > 200


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_fit_the_schema_they_name(path):
    assert path.read_text().startswith("# yaml-language-server: $schema=site.schema.json\n")
    jsonschema.validate(plain(path), SITE_FILE.schema)


def test_the_demo_is_the_site_of_the_issue():
    site = load(ROOT / "configs/demo.yaml")
    counts = {group.model: group.count for group in site.fleet.groups if group.priority is None}
    assert len(counts) >= 4
    assert sum(group.count for group in site.fleet.groups if group.priority is None) == 200
    assert sum(group.count for group in site.fleet.groups if group.priority is not None) == 8


def test_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SITE_FILE.schema)


def test_schema_refuses_what_the_check_refuses():
    checker = jsonschema.Draft202012Validator(SITE_FILE.schema)
    good = plain(ROOT / "configs/demo.yaml")
    assert checker.is_valid(good)
    for change in ({"tik": 1}, {"tick": "1 kg"}, {"tick": 1}, {"version": 2}, {"state": None}, {"nodes": [{}]}):
        assert not checker.is_valid(good | change), change


def test_documentation_has_a_row_for_every_key():
    rows = set(re.findall(r"^\| `(\w+)` \|", tables(SITE_FILE.schema), flags=re.MULTILINE))
    parts = [SITE_FILE.schema, *SITE_FILE.schema["$defs"].values()]
    assert rows == {key for part in parts for key in part["properties"]}


def test_defaults_in_the_documentation_are_the_defaults(small, load_text):
    assert "| `tick` | a number in ms, s, min, h; from 100 ms to 10 s | `1 s` |" in tables(SITE_FILE.schema)
    assert load_text(small.replace("tick: 1 s\n", "")).tick_s == 1.0
