"""Outside systems: one folder each, speaking their protocol; they implement the domain's ports."""
