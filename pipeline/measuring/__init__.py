"""Clocks, latency, quiet and what the machine is; takes callables, imports no Keras."""
