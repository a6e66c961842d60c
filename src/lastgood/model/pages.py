"""Where a service's pages are, by the addresses of its probes."""

from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit


def addresses(probes: tuple[str, ...]) -> Iterator[str]:
    """Where pages may be: the folder of a probe that asks for a file or a folder (`/`, `/version.json`).

    An address such as `/health` says nothing: what stands at `/` beside it may be another service.
    """
    found = []
    for url in probes:
        if url.startswith(("http://", "https://")):
            last = urlsplit(url).path.rpartition("/")[2]
            if not last or "." in last:
                found.append(urljoin(url, "./") if urlsplit(url).path else url + "/")
    return iter(dict.fromkeys(found))
