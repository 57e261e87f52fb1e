"""What drives the server, its files and its processes in tests."""
