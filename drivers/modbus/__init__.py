"""Modbus itself, for meters and contactors alike: where a unit is, which bytes ask it, and one connection to it."""
