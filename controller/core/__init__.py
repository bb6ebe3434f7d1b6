"""The control itself: Snapshot to Decision, pure."""
