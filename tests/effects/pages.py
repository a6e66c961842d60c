"""A web server with pages as they should not be, each at an address of its own; it notes what it was asked for."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.standin.held import LONG

PASSWORD = "hunter2-hunter2"  # noqa: S105 - typed into a form of this server alone
ESC = "\x1b"

HOSTILE = f"""<!doctype html><html><head><title>Shop{ESC}[31m</title></head><body><h1>Welcome</h1>
<script src="/thrown.js"></script><script src="/gone.js?token={PASSWORD}"></script>
<script>
  addEventListener('load', () => {{ alert('a'); confirm('b'); prompt('c'); }});
  open('/popup'); console.error('{ESC}]0;owned\x07 ' + 'x'.repeat(100000));
  fetch('/api/orders'); Promise.reject(new Error('nobody waits'));
  for (let i = 0; i < 2000; i++) console.error('flood ' + i);
  const link = Object.assign(document.createElement('a'), {{href: '/file', download: 'x'}});
  document.body.append(link); link.click();
  navigator.serviceWorker.register('/worker.js').catch(() => {{}});
</script></body></html>"""
FORM = """<!doctype html><title>Login</title><h1>Sign in</h1>
<form action="/account"><input id="who" name="who"><input id="word" name="word"><button>Go</button></form><script>
  const title = document.querySelector('h1');
  word.oninput = () => { title.textContent = 'You typed ' + word.value; console.error(word.value) };
</script>"""
DRAWN = """<!doctype html><x-app></x-app><script>
  setTimeout(() => document.querySelector('x-app').attachShadow({mode: 'closed'}).innerHTML =
    '<div style="width:80px;height:80px;border:9px solid #06c;border-radius:50%"></div>', 1000);
</script>"""

PAGES = {
    "/": HOSTILE,
    "/thrown.js": "const shop = undefined; function start() { shop.open() }; start()",
    "/blank": '<!doctype html><div id="root"></div><script>throw new Error("no root")</script>',
    "/drawn": DRAWN,
    "/hangs": "<!doctype html><h1>Shop</h1><script>for (;;) alert('again')</script>",
    "/waits": "<!doctype html><div></div><script>fetch('/never')</script>",
    "/form": FORM,
    "/account": "<!doctype html><title>Account</title><h1>Your orders</h1>",
}


class Server(ThreadingHTTPServer):
    """Serves `PAGES`; `asked` are the paths, in order."""

    request_queue_size = 128  # a browser opens several connections at once

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        self.server.asked.append(self.path)
        if path == "/round":
            self.send_response(302)
            self.send_header("Location", f"/round?{int(query or 0) + 1}")
            self.end_headers()
            return
        if path == "/never":
            self.server.over.wait(LONG)
        self.send_response(500 if path == "/api/orders" else 200 if path in PAGES else 404)
        self.send_header("Content-Type", "text/javascript" if path.endswith(".js") else "text/html")
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(PAGES.get(path, "no").encode())

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """A server for as long as it is wanted."""
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.over.set()
        server.shutdown()
