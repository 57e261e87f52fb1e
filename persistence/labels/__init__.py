"""Labels of customers: decided by SQL, kept, and written to the output of a run."""
