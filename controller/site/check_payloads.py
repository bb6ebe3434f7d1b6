"""Checks of the meters that send JSON: what stands where, who asks, and connections that nothing protects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from controller.site.check_access import LOOPBACK_ONLY, UNPROTECTED, is_loopback, login_problems
from controller.site.entries import read_entries
from controller.site.model import SiteFile
from controller.site.payload_meter import known_profile
from controller.site.payload_sources import HttpSource, MqttSource, PayloadSource
from controller.site.problems import Loc, Problem, one_of, unless_one
from controller.site.unknown import UNKNOWN
from drivers.meters.http.address import Url
from drivers.meters.payloads.profiles import PayloadProfile, Way, bundled_payloads, load_payload, spot_of
from drivers.meters.profiles import REQUIRED

#: Keys that say of a power without a profile how it stands in the message.
_OF_PLACE: Final = ("form", "unit_at", "written")


def payload_problems(site: SiteFile) -> Iterator[Problem]:
    """Report what is wrong with each source over HTTP and over MQTT."""
    for loc, entry in read_entries(site):
        if entry.http is not None and entry.http is not UNKNOWN:
            yield from _payload_problems((*loc, "http"), entry.http, "http")
            yield from _http_problems((*loc, "http"), entry.http)
        if entry.mqtt is not None and entry.mqtt is not UNKNOWN:
            yield from _payload_problems((*loc, "mqtt"), entry.mqtt, "mqtt")
            yield from _mqtt_problems((*loc, "mqtt"), entry.mqtt)


def _payload_problems(loc: Loc, source: PayloadSource, way: Way) -> Iterator[Problem]:
    yield from unless_one(loc, {"profile": source.profile, "at": source.at})
    if source.profile is not None:
        for key in _OF_PLACE:
            if key in source.model_fields_set:
                yield Problem(
                    loc=(*loc, key), found=f"{key} beside a profile, which says it", allowed="none", at_key=True
                )
    profile = known_profile(source)
    if profile is None:
        return
    if way not in profile.ways:
        others = one_of([name for name in bundled_payloads() if way in load_payload(name).ways], source.profile)
        yield Problem(
            loc=(*loc, "profile"),
            found=f"{source.profile!r}, which is read over {' and '.join(profile.ways)}",
            allowed=others,
        )
    if profile.needs_unit and source.unit is None:
        yield Problem(
            loc=loc,
            found=f"no unit for {'the power' if source.profile is None else profile.id}, which nobody else says",
            allowed="unit: W, kW, MW or GW",
            at_key=True,
        )
    yield from _unit_problems(loc, source, profile)
    yield from _topic_problems(loc, source, profile, way)
    yield from _place_problems(loc, source, profile, way)
    yield from _stamp_problems((*loc, "stamp"), source)


def _unit_problems(loc: Loc, source: PayloadSource, profile: PayloadProfile) -> Iterator[Problem]:
    """Report a unit beside a profile that knows another: one of the two is wrong by a factor of 1000."""
    known = profile.fields[REQUIRED].unit
    if source.unit is not None and source.unit is not UNKNOWN and known not in {None, source.unit}:
        yield Problem(
            loc=(*loc, "unit"), found=f"{source.unit}, where {profile.id} says {known}", allowed=f"{known}, or none"
        )


def _topic_problems(loc: Loc, source: PayloadSource, profile: PayloadProfile, way: Way) -> Iterator[Problem]:
    if way == "http" and way in profile.ways and profile.topics != {""}:
        allowed = "a JSON pointer alone, such as /grid/power: HTTP has no topics"
        if source.at is None:
            yield Problem(loc=loc, found="a topic in the place of a value", allowed=allowed, at_key=True)
        else:
            yield Problem(loc=(*loc, "at"), found=f"{source.at!r}, which does not begin with /", allowed=allowed)
    if isinstance(source, MqttSource) and source.topic is not UNKNOWN:
        for topic in filter(None, sorted(profile.topics)):
            if source.topic.endswith(f"/{topic}"):
                found = f"{source.topic!r}, to which {profile.id} adds {topic}"
                yield Problem(loc=(*loc, "topic"), found=found, allowed=source.topic.removesuffix(f"/{topic}"))


def _place_problems(loc: Loc, source: PayloadSource, profile: PayloadProfile, way: Way) -> Iterator[Problem]:
    """Report a stamp in a topic of its own where there are none, and places in a message that has no parts."""
    stamp = source.stamp
    spot = None if stamp is None or stamp is UNKNOWN or stamp.at is UNKNOWN else spot_of(stamp.at)
    if way == "http" and spot is not None and spot.topic:
        yield Problem(
            loc=(*loc, "stamp"),
            found="a topic in the place of a value",
            allowed="a JSON pointer alone: HTTP has no topics",
            at_key=True,
        )
    spots = profile.spots | ({spot} if spot is not None else set())
    if profile.form == "text" and (into := sorted(str(each) for each in spots if each.pointer.steps)):
        yield Problem(
            loc=loc,
            found=f"the pointer {', '.join(into)} into a bare text",
            allowed="none: a text has no parts",
            at_key=True,
        )


def _stamp_problems(loc: Loc, source: PayloadSource) -> Iterator[Problem]:
    stamp = source.stamp
    if stamp is None or stamp is UNKNOWN or stamp.of is UNKNOWN:
        return
    if (stamp.of == "change") is (stamp.max_age_s is None):
        allowed = "max_age beside of: change, and beside that alone"
        yield Problem(
            loc=loc,
            found=f"of: {stamp.of} {'with' if stamp.max_age_s else 'without'} max_age",
            allowed=allowed,
            at_key=True,
        )


def _http_problems(loc: Loc, source: HttpSource) -> Iterator[Problem]:
    yield from login_problems(loc, source.username, source.password_file)
    if source.token_file is not None and source.username is not None:
        yield Problem(loc=loc, found="a token and a user", allowed="one of them", at_key=True)
    if "login" in source.model_fields_set and source.username is None:
        yield Problem(loc=(*loc, "login"), found="login without username", allowed="none", at_key=True)
    if source.url is UNKNOWN:
        return
    url, profile = Url.parse(source.url), known_profile(source)
    if profile is not None and source.profile is not None and not url.path and not profile.path:
        yield Problem(
            loc=(*loc, "url"), allowed="one with a path, as in http://10.0.0.5:8123/api/states/sensor.grid_power"
        )
    if (url.scheme == "https") is not (source.tls is not None):
        found = "tls for plain http" if source.tls is not None else "https without tls"
        yield Problem(
            loc=(*loc, "tls") if source.tls is not None else loc, found=found, allowed="both or neither", at_key=True
        )
    if source.tls is not None and source.tls is not UNKNOWN:
        yield from unless_one((*loc, "tls"), {"ca": source.tls.ca, "sha256": source.tls.sha256})
    secret = source.token_file is not None or source.username is not None
    bare = url.scheme == "http" and secret and not is_loopback(url.host)
    yield from _bare_problems((*loc, "url"), bare, source, "a token or a password over plain http")


def _mqtt_problems(loc: Loc, source: MqttSource) -> Iterator[Problem]:
    yield from login_problems(loc, source.username, source.password_file)
    if source.tls is not None and (source.tls.certificate is None) != (source.tls.private_key is None):
        yield Problem(
            loc=(*loc, "tls"), found="one of certificate and private_key", allowed="both or neither", at_key=True
        )
    bare = source.tls is None and source.host is not UNKNOWN and not is_loopback(source.host)
    yield from _bare_problems((*loc, "tls"), bare, source, f"none for the host {source.host}")


def _bare_problems(loc: Loc, bare: bool, source: PayloadSource, found: str) -> Iterator[Problem]:
    """Report what anybody on the way may read or forge where no person has said that this may be so."""
    if bare and source.unprotected is None:
        yield Problem(loc=loc, found=found, allowed=f"{LOOPBACK_ONLY}, or beside it unprotected: {UNPROTECTED}")
    if not bare and source.unprotected is not None and source.unprotected is not UNKNOWN:
        yield Problem(loc=(*loc[:-1], "unprotected"), allowed="only where nothing protects the connection", at_key=True)
