"""Meters and gateways that send their readings to a broker: one connection a broker and login, however many meters."""
