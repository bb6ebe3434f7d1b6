"""Texts for people, one language a file; the core and the drivers know only codes."""
