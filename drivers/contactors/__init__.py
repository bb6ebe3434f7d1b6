"""Contactors that a controller opens itself, one protocol a file; those behind an agent are devices of that agent."""
