"""Agents that are light enough to stand by the thousand in one process, for load: real messages, no devices behind them."""
