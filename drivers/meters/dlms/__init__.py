"""Meters on DLMS/COSEM: in the wrapper of TCP, in HDLC over TCP or on a serial port; objects by OBIS codes, read only."""
