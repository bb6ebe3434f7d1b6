"""Fuzzing of what comes from outside: the registers of meters, the frames that carry them, the messages of DLMS/COSEM, and profile files.

A batch is a seed, so that a finding is one command to replay: ``python -m tests.verify.fuzz KIND --seed N``.
"""
