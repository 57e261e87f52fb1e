"""The refusal of whoever is not known."""

from domain.errors import DomainError

UNAUTHENTICATED_MESSAGE = "Authentication credentials were not provided."


class Unauthenticated(DomainError):
    """There is no token, or none that holds."""

    code = "UNAUTHENTICATED"
