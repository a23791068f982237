"""Witnesses: the wire, the client against the simulator over real HTTP, and followers that ask for a quorum."""
