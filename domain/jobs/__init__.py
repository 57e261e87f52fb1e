"""Jobs: what is queued, how far it got, and who is told."""
