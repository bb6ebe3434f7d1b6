"""The site controller."""
