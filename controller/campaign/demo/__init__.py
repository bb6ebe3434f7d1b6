"""`surplusd demo`: the whole way on one machine, every part a process of its own, judged by the world."""
