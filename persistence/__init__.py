"""The store and the outside world: implements domain.store."""
