"""The other end of every wire."""
