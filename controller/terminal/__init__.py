"""What is drawn in a terminal: by verbs that watch a site, and by the demo."""
