"""People at work: what they lock, and when they stop the site."""
