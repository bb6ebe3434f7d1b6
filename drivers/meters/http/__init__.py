"""Meters and gateways that answer HTTP with JSON: one request a reading, over a connection that is kept."""
