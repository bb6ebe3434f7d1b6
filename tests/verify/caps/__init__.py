"""What a site makes of a steady envelope whose GPU jobs draw less than their caps: the control in virtual time, without sockets."""
