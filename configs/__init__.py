"""Example sites and the schema of the site file."""
