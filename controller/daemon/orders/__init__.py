"""The orders of the grid authority: requests and the durable book."""
