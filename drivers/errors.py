"""The one tree of errors; each type has exactly one consequence.

===================  =======================================================================
ConfigError          the command ends with exit status 1; nothing is started
CommandLineWrong     the command ends with exit status 2; nothing is started
DriverLoss           the source is marked lost and logged once; the driver reconnects by itself
Refused              the message or request is answered with the reason; nothing changes
JournalUnusable      tightening goes on and is answered "applied, not durable"; relaxing is refused
===================  =======================================================================
"""

from __future__ import annotations


class SurplusdError(Exception):
    """Base of every error that surplusd raises on purpose."""


class ConfigError(SurplusdError):
    """A file or an argument is not usable; the text says what, where, and what is allowed."""


class CommandLineWrong(SurplusdError):
    """What stands on the command line is wrong whatever the files have; the text says what, and what is allowed."""


class DriverLoss(SurplusdError):
    """A peer is silent, gone or answers nonsense; the text says which peer and what happened."""


class Refused(SurplusdError):
    """A message or a request is not accepted; the text is the reason given to its sender."""


class JournalUnusable(SurplusdError):
    """The journal cannot store a record durably; the text says why."""
