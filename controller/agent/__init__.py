"""The agent of real devices: its file, its start, and what looks at its devices or hands them back."""
