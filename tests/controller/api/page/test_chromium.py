"""The page in a real Chromium: what a person sees in three languages and two sizes, from signing in to stopping the site."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, pairwise
from pathlib import Path

import pytest

from controller.api.page import viewers
from controller.api.page.view import Structure
from controller.daemon.access import Principal, Role
from controller.daemon.service import Health
from controller.texts.words import words_of
from tests.browser import CHROMIUM, Browser, Page
from tests.controller.api.page.prepared import STATES, demo_site
from tests.controller.api.page.serving import page_in
from tests.waiting import until

BOXES = (Path(__file__).parent / "boxes.js").read_text()
LIVE = "document.body.className === 'live' && !main.hidden && document.querySelector('#chart canvas') && document.querySelector('#devices tbody tr')"
SIZES = {"desk": (1280, 900), "phone": (360, 740)}


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with Browser(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    yield chromium
    chromium.close_pages()


def signed_in(page: Page, url: str, role: str = "operator") -> None:
    page.go(url)
    page.wait("!document.getElementById('enter').hidden")
    page.run(
        f"document.getElementById('token').value = '{role}-secret'; document.querySelector('#enter button').click()"
    )
    page.wait(LIVE)


def shown(page: Page, place: str) -> str:
    return page.run(f"document.querySelector({place!r}).innerText")


@pytest.mark.parametrize(
    "state", [pytest.param(each, marks=[] if each == "over" else pytest.mark.slow) for each in STATES]
)
def test_nothing_is_cut_or_overlapping_or_mirrored_in_any_language(browser, state, tmp_path):
    with page_in(state, tmp_path) as (url, _):
        for language in ("en", "ur", "id"):
            page = browser.page(*SIZES["desk"], languages=f"{language}-XX,{language};q=0.9")
            signed_in(page, url)
            assert page.run("document.documentElement.lang") == language
            for size, (width, height) in SIZES.items():
                page.call(
                    "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
                )
                page.wait(f"innerWidth === {width}")
                page.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
                assert page.run(BOXES) == [], (language, size)
            assert page.complaints() == []
            assert shown(page, "#state") == words_of(language)[f"state_{STATES[state]().state}"]


@pytest.mark.parametrize(
    ("style", "complaint"),
    [
        ("#card { width: 2000px; }", "wide"),
        (".row .end { position: absolute; }", "overlap"),
        ("bdi.n { direction: rtl; unicode-bidi: bidi-override; }", "mirrored"),
        ("td { overflow: hidden; white-space: nowrap; max-width: 20px; display: block; }", "cut"),
    ],
)
def test_a_page_that_is_drawn_wrongly_is_found_out(browser, tmp_path, style, complaint):
    with page_in("over", tmp_path) as (url, _):
        page = browser.page(*SIZES["phone"])
        signed_in(page, url)
        page.run(f"document.head.append(Object.assign(document.createElement('style'), {{ textContent: {style!r} }}))")
        assert any(complaint in each for each in page.run(BOXES))


def test_what_is_wrong_since_when_and_what_to_do_stands_on_the_card(browser, tmp_path):
    with page_in("over", tmp_path) as (url, _):
        page = browser.page(*SIZES["desk"])
        signed_in(page, url)
        card = shown(page, "#card")
    for words in (
        "Over the limit",
        "pcc has drawn more than it may for 32 s",
        "1:35 min",
        "agent hall-a1 has been silent",
        "What to do: At once",
    ):
        assert words in card


def test_an_order_that_is_not_met_says_what_to_do(browser, tmp_path):
    with page_in("not_met", tmp_path) as (url, _):
        page = browser.page(*SIZES["desk"])
        signed_in(page, url)
        card = shown(page, "#card")
    assert "An order is not met\n\nsince 2026-11-18 11:05:05 (1:35 min)" in card
    assert "order authority/cut-7 is not met: pcc is 31.2 kW above it" in card
    assert "What to do: Wait a minute" in card


def test_each_node_stands_below_what_it_hangs_on(browser, tmp_path):
    with page_in("normal", tmp_path) as (url, _):
        page = browser.page(*SIZES["desk"])
        signed_in(page, url)
        names = page.run(
            "[...document.querySelectorAll('#tree .row')].map((row) => row.querySelector('bdi').innerText)"
        )
    site = demo_site()
    assert sorted(names) == sorted(site.tree.ids)
    within = {
        name: site.tree.ids[max(above, 0)] for name, above in zip(site.tree.ids, site.tree.parent.tolist(), strict=True)
    }
    for before, name in pairwise(names):
        ancestors = [before]
        while within[ancestors[-1]] != ancestors[-1]:
            ancestors.append(within[ancestors[-1]])
        assert within[name] in ancestors, name


def test_an_operator_stops_the_site_by_keyboard_and_a_viewer_has_no_button(browser, tmp_path):
    with page_in("normal", tmp_path) as (url, service):
        viewer = browser.page(*SIZES["desk"])
        signed_in(viewer, url, "viewer")
        assert viewer.run("document.querySelectorAll('#acts button').length") == 0
        page = browser.page(*SIZES["desk"])
        signed_in(page, url)
        page.run("document.querySelector('#acts button').focus()")
        _press(page, "Enter")
        page.wait("document.getElementById('ask').open")
        page.call("Input.insertText", text="drill")
        _press(page, "Enter")
        page.wait("!document.getElementById('ask').open")
        assert service.desks.stops.reason is not None
        page.wait("document.getElementById('work').innerText.includes('the site is stopped')")
        assert page.complaints() == []


def test_what_an_answer_leaves_to_be_known_is_said_before_the_dialog_goes(browser, tmp_path):
    with page_in("normal", tmp_path) as (url, service):
        ops = Principal(name="other", role=Role.OPERATOR)
        service.desks.locks.lock("feeder-a", "Ali", "new busbar", ops)
        page = browser.page(*SIZES["desk"])
        signed_in(page, url)
        page.wait("[...document.querySelectorAll('#acts button')].some((each) => each.textContent === 'Unlock')")
        page.run("[...document.querySelectorAll('#acts button')].find((each) => each.textContent === 'Unlock').click()")
        page.wait("document.getElementById('ask').open")
        known = page.run(
            "['subject', 'of'].map((name) => document.querySelector(`#ask input[name=${name}]`).value).join()"
        )
        assert known == "feeder-a,Ali"
        page.run("document.querySelector('#ask input[name=by]').focus()")
        page.call("Input.insertText", text="Sara")
        _press(page, "Enter")
        page.wait("document.querySelector('#ask [role=alert]').textContent !== ''")
        assert shown(page, "#ask [role=alert]") == "Sara: another operator has to agree within ten minutes"
        assert [lock.by for lock in service.desks.locks.held] == ["Ali"]


def test_a_site_that_is_not_heard_of_is_shown_as_old(browser, tmp_path):
    with page_in("normal", tmp_path) as (url, _):
        page = browser.page(*SIZES["desk"])
        signed_in(page, url)
    page.wait("document.body.className === 'old'")
    assert "what is shown is old" in shown(page, "#news") or "does not answer" in shown(page, "#news")


def test_after_another_site_file_is_led_no_device_is_shown_by_the_place_of_another(browser, tmp_path, monkeypatch):
    (real, marks), asked, told = (viewers.columns_of, ["other"]), [], Structure.told
    monkeypatch.setattr(Structure, "told", lambda *of: asked.append(of) or told(*of))
    with page_in("normal", tmp_path) as (url, _):
        page = browser.page(*SIZES["desk"])
        signed_in(page, url)
        monkeypatch.setattr(viewers, "columns_of", lambda service, mark: real(service, marks.pop() if marks else mark))
        until(lambda: len(asked) >= 2, "the page asks anew which devices there are")


def test_news_that_cannot_be_shown_leave_what_is_shown_marked_as_old(browser, tmp_path, monkeypatch):
    with page_in("normal", tmp_path) as (url, _):
        page = browser.page(*SIZES["desk"])
        signed_in(page, url)
        of = count()
        monkeypatch.setattr(viewers, "now_of", lambda *_: f'{{"of": "another build", "now": {next(of)}}}')
        page.wait("document.body.className === 'old'")


def test_where_the_tick_stands_no_meter_is_shown_as_trusted(browser, tmp_path):
    with page_in("normal", tmp_path) as (url, service):
        object.__setattr__(service, "decision_now", lambda: None)
        object.__setattr__(service, "health", lambda: Health(ok=False, tick_age_s=60.0))
        page = browser.page(*SIZES["desk"])
        signed_in(page, url)
        assert shown(page, "#state") == "Unknown: no news of the control"
        assert "trusted" not in shown(page, "#meters")
        assert page.run("document.querySelectorAll('#meters .good').length") == 0


def test_a_device_is_chosen_by_the_arrow_keys(browser, tmp_path):
    with page_in("over", tmp_path) as (url, _):
        page = browser.page(*SIZES["desk"])
        signed_in(page, url)
        page.run("document.getElementById('heat').focus()")
        _press(page, "ArrowRight")
        _press(page, "ArrowRight")
        picked = shown(page, "#picked")
    assert "hall-a1" in picked
    assert "no answer" in picked


@pytest.mark.alone
def test_the_page_is_painted_at_once_and_is_small(browser, tmp_path):
    """The quickest of three: what else this machine does is no matter of the page."""
    painted_ms = []
    with page_in("normal", tmp_path) as (url, _):
        page = browser.page(*SIZES["desk"])
        signed_in(page, url)
        page.call("Network.setCacheDisabled", cacheDisabled=True)
        for language in ("id", "en", "ur"):
            before = _received(page)
            page.go(f"{url}/?lang={language}")
            page.wait(f"document.documentElement.lang === {language!r} && {LIVE}")
            assert _received(page) - before <= 60_000
            painted_ms.append(page.run("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
    assert min(painted_ms) <= 500.0


def _received(page: Page) -> int:
    return sum(each["encodedDataLength"] for each in page.events("Network.loadingFinished"))


def _press(page: Page, key: str) -> None:
    more = {"text": "\r", "windowsVirtualKeyCode": 13} if key == "Enter" else {"windowsVirtualKeyCode": 39}
    page.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, **more)
    page.call(
        "Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=more["windowsVirtualKeyCode"]
    )
