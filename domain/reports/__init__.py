"""Reports: the groups of a window of days, what changed between two, and the document that files show."""
