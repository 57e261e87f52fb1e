"""The business in plain Python: what the words and numbers mean, and the services that use them."""
