"""What speaks to the world, one protocol a file."""
