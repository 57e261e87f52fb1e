"""Every table at once, for migrations and for what holds in every store; whoever reads and writes some of them loads
those alone."""

from persistence.tables import businesses, copies, customers, imports, jobs, purchases, requests, segments
from persistence.tables.columns import Row

LOADED = (businesses, copies, customers, imports, jobs, purchases, requests, segments)
metadata = Row.metadata
