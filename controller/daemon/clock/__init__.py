"""Whether the wall clock may end an order: it is held against a clock that nobody sets, since somebody vouched for it."""
