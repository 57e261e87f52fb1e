"""Files looked at before they are imported, on the command line."""
