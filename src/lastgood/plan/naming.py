"""How steps are called."""

from lastgood.model.target import shown


class Names:
    """Gives steps their ids: `1.pull.HOST`, with the service's name in it where there are several."""

    def __init__(self, prefix: str, *, many: bool) -> None:
        self._prefix = prefix
        self._many = many

    def __call__(self, verb: str, service: str = "", host: str = "") -> str:
        """The id of the step that does `verb` for a service on a host, as far as it is one's own."""
        return self._prefix + ".".join(part for part in (verb, service if self._many else "", shown(host)) if part)
