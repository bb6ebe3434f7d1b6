"""Whatever stands in the file, it is a site or a ConfigError; and one wrong value is one line."""

import copy
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.site.compile import compile_site
from controller.site.document import read_document
from controller.site.load import load
from drivers.errors import ConfigError
from tests.examples import examples

DEMO = Path(__file__).parents[3] / "configs/demo.yaml"
TEXT = DEMO.read_text(encoding="utf-8")
DOCUMENT = read_document(DEMO)
DATA = DOCUMENT.data

SCALARS = st.one_of(
    st.sampled_from(["off", "none", "", "unlimited", "0 W", "-1 kW", "1e300 GW", "5 %", "pcc", "gpu-001", "../x.yaml", "~"]),
    st.none(), st.booleans(), st.integers(-5, 10**6), st.floats(), st.text(max_size=8),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def ways(value, way=()):
    """The way to every value."""
    yield way
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, child in inner:
        yield from ways(child, (*way, step))


WAYS = [way for way in ways(DATA) if way]
LEAVES = [way for way in WAYS if not isinstance(DOCUMENT.raw(way), dict | list)]


def put(data, way, value):
    for step in way[:-1]:
        data = data[step]
    data[way[-1]] = value


def outcome(path, text):
    """The lines of the complaint; none where the site compiles."""
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        compile_site(load(path))
    except ConfigError as error:
        return str(error).splitlines()
    return []


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("site") / "site.yaml"


@pytest.mark.parametrize("way", LEAVES, ids=str)
def test_a_value_of_the_wrong_type_is_one_line(way, path):
    data = copy.deepcopy(DATA)
    put(data, way, [["x"]])
    lines = outcome(path, yaml.safe_dump(data, sort_keys=False))
    assert len(lines) == 1, lines
    assert "found a list; allowed is" in lines[0]


@pytest.mark.parametrize("way", [way for way in WAYS if way not in LEAVES], ids=str)
def test_a_value_instead_of_a_mapping_or_list_is_one_line(way, path):
    data = copy.deepcopy(DATA)
    put(data, way, 5)
    lines = outcome(path, yaml.safe_dump(data, sort_keys=False))
    assert len(lines) == 1, lines
    assert "found 5; allowed is" in lines[0]


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.sampled_from(WAYS), VALUES), min_size=1, max_size=3))
def test_changed_values(changes, path):
    data = copy.deepcopy(DATA)
    for way, value in changes:
        try:
            put(data, way, value)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took its place away
    for line in outcome(path, yaml.safe_dump(data, sort_keys=False, allow_unicode=True)):
        assert re.match(rf"{re.escape(str(path))}:\d+:\d+: .*found .*; allowed is ", line)


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.integers(0, len(TEXT)),
    length=st.integers(0, 40),
    text=st.text(max_size=5) | st.sampled_from("{}[]:,-&*!|>'\"#\n\t%@`"),
)
def test_changed_text(start, length, text, path):
    outcome(path, TEXT[:start] + text + TEXT[start + length :])


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=60))
def test_bytes(data, path):
    path.write_bytes(data)
    with pytest.raises(ConfigError):
        load(path)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES)
def test_anything_instead_of_a_site(value, path):
    assert outcome(path, yaml.safe_dump(value))
