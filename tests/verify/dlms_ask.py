"""Reads a meter by Gurux's library, in an environment of its own: ``python dlms_ask.py wrapper|hdlc none|low|high PORT``.

Prints a JSON object: by OBIS code what the library makes of the value, read alone and all in one request.
"""

from __future__ import annotations

import contextlib
import io
import json
import socket
import sys

from gurux_dlms import GXByteBuffer, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType, Security
from gurux_dlms.objects import GXDLMSRegister
from gurux_dlms.secure import GXDLMSSecureClient

CODES = ("1.0.1.7.0.255", "1.0.2.7.0.255", "1.0.14.7.0.255", "1.0.1.8.0.255", "1.0.32.7.0.255")
KINDS = {"none": Authentication.NONE, "low": Authentication.LOW, "high": Authentication.HIGH_GMAC}
FRAMINGS = {"wrapper": InterfaceType.WRAPPER, "hdlc": InterfaceType.HDLC}


class Asking:
    """One connection."""

    def __init__(self, framing: str, kind: str, port: int) -> None:
        self.wire = socket.create_connection(("127.0.0.1", port), timeout=5)
        password = b"right" if kind == "low" else None
        self.client = GXDLMSSecureClient(True, 1, 1, KINDS[kind], password, FRAMINGS[framing])
        if kind == "high":
            ciphering = self.client.ciphering
            ciphering.security = Security.AUTHENTICATION_ENCRYPTION
            ciphering.systemTitle = b"SPD\x00\x00\x00\x00\x02"
            ciphering.blockCipherKey, ciphering.authenticationKey = bytes(range(16)), bytes(range(16, 32))
            ciphering.invocationCounter = 1

    def exchange(self, messages):
        """Send, and return what came, of all parts together."""
        reply = GXReplyData()
        for message in messages if isinstance(messages, list) else [messages]:
            self.once(message, reply)
            while reply.isMoreData():
                self.once(self.client.receiverReady(reply), reply)
        return reply

    def once(self, message, reply) -> None:
        self.wire.sendall(bytes(message))
        received = GXByteBuffer()
        while True:
            received.set(self.wire.recv(4096))
            if self.client.getData(received, reply, None):
                return

    def begin(self) -> None:
        if snrm := self.client.snrmRequest():
            self.client.parseUAResponse(self.exchange(snrm).data)
        self.client.parseAareResponse(self.exchange(self.client.aarqRequest()).data)
        if self.client.getIsAuthenticationRequired():
            answered = self.exchange(self.client.getApplicationAssociationRequest())
            self.client.parseApplicationAssociationResponse(answered.data)

    def read(self, code: str):
        register = GXDLMSRegister(code)
        for attribute in (3, 2):
            self.client.updateValue(register, attribute, self.exchange(self.client.read(register, attribute)).value)
        return register.value

    def read_all(self):
        registers = [GXDLMSRegister(code) for code in CODES]
        wanted = [(register, attribute) for attribute in (3, 2) for register in registers]
        values = [value for message in self.client.readList(wanted) for value in self.exchange(message).value]
        self.client.updateValues(wanted, values)
        return {code: register.value for code, register in zip(CODES, registers, strict=True)}


def main(framing: str, kind: str, port: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does
        asking = Asking(framing, kind, int(port))
        asking.begin()
        found = {"alone": {code: asking.read(code) for code in CODES}, "together": asking.read_all()}
    sys.stdout.write(json.dumps(found))


main(*sys.argv[1:])
