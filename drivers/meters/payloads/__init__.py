"""Readings inside messages: which quantity stands where in JSON or in a text, and how old it is. Pure but for the files."""
