"""Every reason in English."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from controller.core.reasons import Code, Reason
from controller.texts.phrases import ENGLISH, filled

#: What a text asks where the wrong profile is the likely cause.
PROFILE_QUESTION: Final = "is its profile the right one?"
_METER: Final = "meter {subject} "

#: A text for each code, with the reason's subject and parameters in braces.
TEXTS: Final[Mapping[Code, str]] = {
    Code.STARTING: "starting",
    Code.STEADYING: "trusted again, waiting for steady readings",
    Code.NO_TICK: "no tick yet",
    Code.TICK_STANDS: "the newest decision is {age_s:.0f} s old: nothing is known of now",
    Code.STEP_FAILED: "the control step failed",
    Code.SOURCE_LOST: _METER + "is not read: {error}",
    Code.SAMPLE_INVALID: _METER + "gives no value: {why}: " + PROFILE_QUESTION,
    Code.SAMPLE_DOUBTED: _METER + "gives no value: its own quality is {quality}",
    Code.SAMPLE_NOT_FINITE: _METER + "gives no value: one that is not finite",
    Code.SAMPLE_ALL_ZERO: _METER + "gives no value: nothing but zeros, it has no reading yet",
    Code.VALUE_NOTED: _METER + "{quantity}: {note}",
    Code.METER_NEVER_READ: _METER + "has never been read",
    Code.METER_SILENT: _METER + "is silent",
    Code.METER_OFF_GRID: _METER + "shows no {grid_hz:g} Hz grid frequency: " + PROFILE_QUESTION,
    Code.METER_OVER_RATING: _METER + "shows more than {share:.0%} of its rating: " + PROFILE_QUESTION,
    Code.METER_OVER_AMPERES: _METER + "shows more power than its volts and amperes can carry: " + PROFILE_QUESTION,
    Code.METER_UNDER_AMPERES: _METER + "shows next to no power for its volts and amperes: " + PROFILE_QUESTION,
    Code.METER_PHASES_APART: _METER + "shows a power that is not the sum of its phases: " + PROFILE_QUESTION,
    Code.METER_FROZEN: _METER + "has stood still for longer than it ever does: it is taken for frozen",
    Code.COUNTERS_FROZEN: _METER + "shows energy counters that stand still while it shows power",
    Code.COUNTERS_REVERSED: _METER + "counts energy in the other direction than it shows power: is its sign right?",
    Code.COUNTERS_WITHOUT_POWER: _METER + "counts energy while it shows no power",
    Code.COUNTERS_OFF: _METER + "counts {times:.3g} times the energy that its power adds up to: " + PROFILE_QUESTION,
    Code.STEPS_NOT_FOLLOWED: _METER
    + "does not follow the steps of the fleet: are its sign, its scale and its profile right?",
    Code.METERS_DISAGREE: "meters {meter} and {other} disagree",
    Code.METERS_SHORT: "the meters of {subject} show less than the devices below it draw",
    Code.METER_ALONE: "meter {subject} stands in for {other}, with {added_w:power} added",
    Code.METER_UNPROVEN: "meter {subject} has to follow a step of {step_w:power} before it stands in for {other}",
    Code.METER_UNCONFIRMED: "meters {subject} and {other} disagreed before {other} fell silent: a person has to compare {subject} "
    "with another instrument, and if it is right say so by `surplusd meter confirm {subject}`",
    Code.METER_CONFIRMED: "{by} has confirmed that meter {subject} is right, until all meters of its node speak and agree",
    Code.NO_SITE_METER: "no trusted meter of the site's power",
    Code.SURPLUS_NEVER_READ: "the surplus has never been read",
    Code.SURPLUS_SILENT: "the surplus is silent",
    Code.SURPLUS_STALE: "the surplus signal is stale: it counts as zero",
    Code.SURPLUS_FROZEN: "the surplus reading stands still at {shown_w:kW} kW while the site went from {from_w:kW} to "
    "{to_w:kW} kW: is its source frozen?",
    Code.LINK_DOWN: "no link to the broker",
    Code.LINK_LOST: "no link to the broker for longer than a lease",
    Code.SECOND_CONTROLLER: "another controller with this one's key leads agent {agent}, or did within the last lease",
    Code.AGENT_SILENT: "agent {subject} has been silent for {since_s:.0f} s: its {count:device} may be drawing {most_w:power}",
    Code.AGENT_DEAF: "agent {subject} reports, and has taken no statement for {since_s:.0f} s: its {count:device} may be drawing {most_w:power}",
    Code.DEVICE_RELUCTANT: "{count:device} of agent {subject} did not come up when told to: {missing_w:power} are missing, and the others are raised instead",
    Code.DEVICE_LOST: "agent {subject} gets no answer of {count:device}, which may be drawing {most_w:power}",
    Code.DEVICE_DEFIANT: "agent {subject} has no proof that {count:device} came down as told: up to {over_w:power} too much",
    Code.STEP_DEFIED: "the meters of {subject} agree that its devices moved by {missing_w:power} less than their agents say",
    Code.OVER_ENVELOPE: "{subject} has drawn more than it may for {since_s:.0f} s, {over_w:power} too much now",
    Code.NODE_UNSEEN: "an order limits {subject}, and no usable meter shows what it draws",
    Code.CARRIES_WORSE: "{subject} draws {shown_w:.5g} W for each {unit} that it carries, less than the {declared_w:.5g} W that are declared as its worst",
    Code.NODE_TRIPPED: "{subject} is tripped: it drew {power_w:power} for {for_s:.0f} s, and {cause} allows {limit_w:power}",
    Code.TRIP_UNREADABLE: "{subject} is tripped, and why cannot be understood from {record} of the journal",
    Code.CONTACTOR_DEFIANT: "the contactor of {subject} was told to open {since_s:.0f} s ago, and the node still draws {power_w:power}",
    Code.CONTACTOR_UNPROVEN: "the contactor of {subject} was told to open {since_s:.0f} s ago, and nothing proves it: its position is {position}",
    Code.CONTACTOR_LOST: "the contactor of {subject} cannot be told or read: {error}",
    Code.CONTACTOR_OPEN: "the contactor of {subject} is open, and no trip is why",
    Code.RESET_VOID: "the reset of {subject} is void, and its contactor is not seen to be closed: {why}",
    Code.LOCK_SUBJECT_UNKNOWN: "subject: there is no device and no node {lock!r}; there are {nodes} and the devices",
    Code.LOCK_UNKNOWN: "{of} has no lock on {lock}; locked by: {held}",
    Code.LOCKED: "people work at {subject}: {count:device} locked off",
    Code.LOCK_UNPROVEN: "{count:device} of {subject} locked, and not proven to be off: {most_w:drawing}",
    Code.SITE_STOPPED: "{by} has stopped the site: {why}",
    Code.SITE_FILE_NOT_TAKEN: "the site file is not what runs: {why}",
    Code.LOCKS_MAY_BE_MISSING: "locks of people at work may be missing, and a stop of the site: {why}; it ends when an operator has stated that what "
    "is locked then is all",
    Code.ORDERS_MAY_BE_MISSING: "orders may be missing: {why}; it ends when all orders in force are stated by {who}",
    Code.CLOCK_APART: "the wall clock is {apart_s:+.1f} s off what has gone by in the {since_s:.0f} s since {by} vouched for it",
    Code.CLOCK_UNANCHORED: "nothing tells whether the wall clock is right: {why}",
    Code.CLOCK_UNKNOWN: "the kernel does not say whether the wall clock is synchronised: {error}",
    Code.CLOCK_UNSYNCHRONISED: "the kernel says that the wall clock is not synchronised",
    Code.CLOCK_TURNED: "the kernel makes the wall clock run {turned_ppm:+.0f} ppm too fast",
    Code.TIMES_OVERRULED: "{limits} before the minimum and settle times of {count:device}",
    Code.PROTECTION_OVERRULED: "{limits} before the protected {devices}{more:more}",
    Code.DEVICES_MISSING: "agent {subject} does not have {devices}{more:more}",
    Code.DEVICES_UNDECLARED: "agent {subject} has {devices}{more:more}, which the site file does not give it",
    Code.DEVICES_DIFFER: "agent {subject} says {fact} {found} of {devices}{more:more}, the site file says {allowed}",
    Code.WATTS_ABSURD: "agent {subject} reports watts of {devices}{more:more} that it cannot draw",
    Code.DEVICES_SHARED: "agent {subject} has {devices}{more:more}, which agent {other} has, too: one of the two is not to lead them",
    Code.DEVICES_MOVED: "agent {subject} finds that something else moves {devices}{more:more}",
    Code.DEVICES_STAY: "if the machine of agent {subject} is dead, nothing takes down {devices}{more:more}",
    Code.POOLS_CHANGED: "agent {subject} finds other pools at {devices}{more:more} than before they were told, and tells them no more",
    Code.HEAD_REFUSED: "agent {subject} gives back a head that does not count: {error}",
    Code.SET_REFUSED: "agent {subject} does not do all that it is told: {error}",
    Code.TOPIC_UNKNOWN: "the topic {topic!r} is none of this site",
    Code.AGENT_UNKNOWN: "no agent {agent!r} at this site",
    Code.MESSAGE_INVALID: "{error}",
    Code.MESSAGE_NEVER_TAKEN: "a {message} of an agent is never taken",
    Code.INVENTORY_UNKNOWN: "agent {subject} reports by the inventory {inventory}, which is not its newest",
    Code.REPORT_OUT_OF_ORDER: "agent {subject} reports a time before its last report",
    Code.REPORT_OF_FORMER_START: "agent {subject} speaks from another start than the one that is led",
    Code.ORDER_FIELD_INVALID: "{field}: found {found}, allowed is {allowed}",
    Code.ORDER_FIELD_TWICE: "{field}: stands twice",
    Code.ORDER_NODE_UNKNOWN: "node: there is no node {node!r}, allowed is one of {allowed}",
    Code.ORDER_WITHOUT_POWER: "reduce_by_w: there is no trusted power of {node} now; give a limit_w",
    Code.ORDER_ABSURD: "{field}: {size_w:power} is absurd for a site with a contract of {contract_w:power}",
    Code.ORDER_SIZE_AMBIGUOUS: "limit_w, limit_percent, reduce_by_w: exactly one of them is needed",
    Code.ORDER_ENDS_BEFORE_START: "ends_at: it ends before it starts",
    Code.ORDER_ENDED_ALREADY: "ends_at: it has ended already",
    Code.ORDER_FIELD_UNKNOWN: "{field}: there is no such field, allowed are {allowed}",
    Code.ORDER_RAMP_TOO_SLOW: "ramp_w_per_s: it never brings the node down in the order's time, allowed is {least_w_s:.1f} or more",
    Code.ORDER_ENDED: "id: order {order} has ended: {ending}, by {by}; what is to bind needs a new id",
    Code.ORDER_REVISION: "revision: order {order} is at revision {revision:.0f}, the next one is {next:.0f}",
    Code.ORDER_OVERTAKEN: "revision: {revision:.0f} of order {order} does not count: before it was on the disk a tighter one came in, at revision {newer:.0f}",
    Code.ORDER_OF_ANOTHER: "id: order {order} is of {issuers}, and only its issuer changes or ends it",
    Code.ORDER_AMBIGUOUS: "issuer: order {order} is of several, name one of {issuers}",
    Code.ORDER_CONFLICT: "id: order {order} exists with other content, at revision {revision:.0f}",
    Code.ORDER_UNKNOWN: "id: there is no order {order}",
    Code.TOO_MANY_ORDERS: "{subject} has {most:.0f} orders that bind; release some, or send one that is below all that bind on its node",
    Code.TOO_MANY_STATED: "{subject} would have more than {most:.0f} orders open until those that it does not list have ended; list fewer, or wait until "
    "statements can be stored",
    Code.TOO_MANY_SCHEDULED: "{subject} has {most:.0f} scheduled orders; release some first",
    Code.ORDER_STATED_ENDED: "orders: order {order} has ended ({ending}); what is in force needs a new id",
    Code.ORDER_STATED_TWICE: "orders: order {order} is listed twice",
    Code.ISSUERS_MUST_STATE: "what orders are in force is for {issuers} to state",
    Code.ISSUER_RETIRED: "the issuer {subject} is retired",
    Code.RESET_NODE_UNKNOWN: "there is no node {node!r}, allowed is one of {allowed}",
    Code.RESET_WITHOUT_CONTACTOR: "{node} has no contactor",
    Code.RESET_NOT_OPEN: "{node} is not tripped, and its contactor is not seen to be open",
    Code.RESET_BELOW_OPEN: "{node} is below {other}, whose contactor is open; reset that first",
    Code.RESET_IN_DOUBT: "the site is in {mode}: {why}; nothing would see {node} draw too much, so it is closed in normal alone",
    Code.CONFIRM_METER_UNKNOWN: "there is no meter {meter!r}, allowed is one of {allowed}",
    Code.CONFIRM_NOT_AWAITED: "meter {meter} does not wait for a person: {why}",
    Code.CLOCK_NOT_AS_STATED: "utc: the daemon's wall clock is {ahead_s:+.1f} s off the time that you state; set it right first",
    Code.ORDER_UNDER_FLOOR: "{subject} draws {floor_w:power} with everything off",
    Code.ORDER_UNREACHABLE: "{subject} cannot be brought below {achievable_w:power} now",
    Code.ORDER_NOT_DURABLE: "applied, not durable",
    Code.ORDER_ENDED_BEFORE: "it had been {ending} before",
    Code.ORDER_END_WAITS: "it does not end by the clock now: {why}",
    Code.ORDER_END_PAST: "by this clock its end has passed, at {ends_at}, and it binds all the same until a trusted clock says so, or until it is released",
    Code.ORDER_WORKED_OUT_LATER: "the limit of {subject} is worked out at the start, {reduce_by_w:power} below what it draws then",
    Code.ORDER_TAKEN_LOWER: "{subject} has as many orders as it may, and so this one counts as {limit_w:power}, 1 % below all others",
    Code.ORDER_TAKEN_LONGER: "{subject} has as many orders as it may, and so this one, which outlasts the others, counts until it is released",
}


def text(reason: Reason) -> str:
    """Return the reason as a sentence without its full stop."""
    return filled(TEXTS[reason.code], reason, ENGLISH)


def texts(reasons: Iterable[Reason]) -> str:
    """Return several reasons in one line; empty where there are none."""
    return "; ".join(map(text, reasons))


def predicate(reason: Reason) -> str:
    """Return the text without its meter, for a place where that stands already."""
    return text(reason).removeprefix(_METER.format(subject=reason.subject))
