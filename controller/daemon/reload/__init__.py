"""The site file of a daemon that runs: what was last taken is kept, and what may change is taken over."""
