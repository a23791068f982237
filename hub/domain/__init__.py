"""The rooms: all rules and all rows. Order: fiscal_events > reference > registry > jobs."""
