"""SQL read without being run: what a statement takes away, locks, hides. By PostgreSQL's own grammar."""

from lastgood.sql.bodies import body, transactional
from lastgood.sql.names import parts, quoted, spelled
from lastgood.sql.reading import Unparsed, read

__all__ = ["Unparsed", "body", "parts", "quoted", "read", "spelled", "transactional"]
