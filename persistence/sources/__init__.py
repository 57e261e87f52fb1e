"""Where purchases and customers come from."""
