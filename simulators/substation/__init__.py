"""The substation: meters on Modbus and a SCADA server on OPC UA, over the truth of the world."""
