"""Faults made for real: processes are killed, servers taken away."""
