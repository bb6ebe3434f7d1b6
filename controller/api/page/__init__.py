"""The page at ``/``: what a person sees of a site in a browser."""
