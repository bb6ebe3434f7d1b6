"""The surplus: from its reading and the power of the site, and whether that reading is frozen."""
