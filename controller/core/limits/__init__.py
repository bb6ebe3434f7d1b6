"""Limits: the envelope of every node, orders in force, and the house load that is kept free."""
