"""Meters: profiles as data, Modbus, OPC UA."""
