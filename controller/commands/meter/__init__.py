"""``surplusd meter``: find out what a meter is, watch it, describe one that is not known yet."""
