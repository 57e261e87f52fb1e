"""Classifiers that are installed beside the server: found once, at start, as entry points of `segments.classifiers`,
and shown to the database. One that cannot be used is told in one sentence and left out; the server starts all the
same."""

import logging
import sqlite3
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from domain.classifiers import Classifier, Classifiers
from persistence.classified import nobody

GROUP = "segments.classifiers"
log = logging.getLogger("segments")


def installed(engine: Engine, found: Iterable[EntryPoint] | None = None) -> Classifiers:
    """Those that can be used with this database; the others are named in the log."""
    points = entry_points(group=GROUP) if found is None else found
    usable: dict[str, Classifier] = {}
    for point in sorted(points, key=lambda one: (one.name, one.value)):
        fault, classifier = _loaded(point)
        if classifier is not None:
            other = usable.get(classifier.dimension)
            taken = other and f"the classifier {other.name} has the dimension {other.dimension} already"
            fault = classifier.fault() or taken or _refused(engine, classifier)
        if fault is not None or classifier is None:
            log.warning("classifier %s is left out: %s", point.name, fault)
        else:
            usable[classifier.dimension] = classifier
    return Classifiers(tuple(sorted(usable.values(), key=lambda one: one.name)))


def _loaded(point: EntryPoint) -> tuple[str | None, Classifier | None]:
    try:
        made = point.load()
        if not isinstance(made, Classifier) and callable(made):
            made = made()
    except Exception as error:
        return f"{point.value} cannot be loaded ({type(error).__name__})", None
    if not isinstance(made, Classifier):
        return f"{point.value} is no Classifier of domain.classifiers, nor makes one", None
    return None, made


def _refused(engine: Engine, classifier: Classifier) -> str | None:
    """Why the database does not take its expression, asked of no customers at all."""
    if classifier.sql is None:
        return None
    try:
        with engine.connect() as connection:
            rows = connection.execute(nobody(classifier)).all()
    except DBAPIError as error:
        # A store that is out of reach says nothing of the expression; SQLite's own word for a wrong one is a code.
        code = getattr(error.orig, "sqlite_errorcode", None)
        if isinstance(error, OperationalError) and code != sqlite3.SQLITE_ERROR:
            return None
        return f"the database refuses its sql: {str(error.orig).splitlines()[0]}"
    return "its sql must say something of each customer, not of all together" if rows else None
