"""Drivers of real devices, one family a file; what each can do stands in ``families.yaml``."""
