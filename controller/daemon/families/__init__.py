"""The families of metrics, by what they are about; `controller/daemon/metrics.py` puts them together."""
