"""shop-api: orders as JSON over HTTP, kept in PostgreSQL. Runs inside its own image, not on this machine.

The file `release.json` beside this one says which release this is and which fault, if any, was built into it.
"""

import json
import os
import signal
import sys
import time
import traceback
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Timer
from typing import Any
from urllib.parse import urlsplit

import pg8000.dbapi  # type: ignore[import-not-found,import-untyped,unused-ignore]

RELEASE = json.loads(Path(__file__).with_name("release.json").read_text())
STARTED = time.monotonic()
HEALTHY_SECONDS = 4
SLOW_START_SECONDS = 6
EXIT_CONFIG = 78
SCHEMA = "CREATE TABLE IF NOT EXISTS orders (id SERIAL PRIMARY KEY, item TEXT NOT NULL, quantity INT NOT NULL)"

Json = dict[str, Any]


def fault() -> str:
    """Returns the name of the fault that shows now, or nothing."""
    built_in = str(RELEASE["fault"])
    if built_in == "flaky":
        return "http-500" if time.monotonic() - STARTED > HEALTHY_SECONDS else ""
    if built_in == "needs-greeting":
        return "" if os.environ.get("GREETING") == "hello" else "http-500"
    return built_in


def price(order: Json) -> float:
    """Returns the price of an order; the releases with the bug lost the currency."""
    rates = {} if fault() == "http-500" else {"EUR": 1.0}
    return float(order["quantity"]) * rates["EUR"]


def connect() -> Any:  # noqa: ANN401 - the driver comes without types
    """Connects to the database that DATABASE_URL names."""
    url = urlsplit(os.environ["DATABASE_URL"])
    return pg8000.dbapi.connect(
        user=url.username, password=url.password, host=url.hostname, port=url.port, database=url.path[1:], timeout=1
    )


def query(statement: str, values: tuple[object, ...] = ()) -> list[list[Any]]:
    """Runs one statement, creating the table first where it is missing."""
    with closing(connect()) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT to_regclass('orders')")
        if cursor.fetchone()[0] is None:
            cursor.execute(SCHEMA)
        cursor.execute(statement, values)
        rows: list[list[Any]] = list(cursor.fetchall())
        connection.commit()
        return rows


def health() -> tuple[int, Json]:
    """Answers whether this release can do its work, by really reading the database."""
    price({"quantity": 1})
    try:
        query("SELECT count(*) FROM orders")
    except (OSError, pg8000.dbapi.Error) as error:
        print(f"database unavailable: {error}", flush=True)
        return 503, {"status": "database unavailable", "version": RELEASE["version"]}
    return 200, {"status": "ok", "version": RELEASE["version"]}


def orders() -> tuple[int, Json]:
    """Answers the orders so far."""
    rows = query("SELECT id, item, quantity FROM orders ORDER BY id")
    found = [{"id": row[0], "item": row[1], "quantity": row[2]} for row in rows]
    total = sum(price(order) for order in [{"quantity": 0}, *found])
    return 200, {"greeting": os.environ.get("GREETING", ""), "orders": found, "total": total}


def add_order(order: Json) -> tuple[int, Json]:
    """Keeps a new order."""
    price(order)
    rows = query(
        "INSERT INTO orders (item, quantity) VALUES (%s, %s) RETURNING id", (str(order["item"]), int(order["quantity"]))
    )
    return 201, {"id": rows[0][0]}


class Handler(BaseHTTPRequestHandler):
    """Takes one request; whatever goes wrong is logged and answered with 500."""

    server_version = "shop-api"

    def do_GET(self) -> None:
        """Answers /api/health and /api/orders."""
        self._answer({"/api/health": health, "/api/orders": orders}.get(self.path))

    def do_POST(self) -> None:
        """Answers /api/orders."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer((lambda: add_order(json.loads(body))) if self.path == "/api/orders" else None)

    def _answer(self, work: Any) -> None:  # noqa: ANN401 - any of the functions above
        try:
            status, body = work() if work else (404, {"status": "not found"})
        except Exception:  # noqa: BLE001 - the last resort of a server
            print(traceback.format_exc(), end="", flush=True)
            status, body = 500, {"status": "internal server error", "version": RELEASE["version"]}
        self._send(status, json.dumps(body).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Logs a request to standard output, health checks excepted."""
        if self.path != "/api/health":
            print(f"{self.log_date_time_string()} {format % args}", flush=True)


def refuse_schema() -> None:
    """Ends the way a migration tool does at start-up that finds the database at a version it has no files for."""
    rows = query("SELECT version FROM schema_migrations")
    if rows and int(rows[0][0]) > int(RELEASE["migrations"]):
        print(f"error: no migration found for version {rows[0][0]}: file does not exist", flush=True)
        sys.exit(1)


def refuse_configuration() -> None:
    """Ends the way a release does that wants a key which production does not have."""
    print("configuration error: SHOP_GREETING: required key is missing (1 validation error)", flush=True)
    sys.exit(EXIT_CONFIG)


def crash() -> None:
    """Ends the way a process does that fails in the background."""
    print("fatal: cannot load price list: no such file: /app/prices.json", flush=True)
    os._exit(1)


def main() -> None:
    """Serves until told to stop."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    print(f"shop-api {RELEASE['version']} starts", flush=True)
    if RELEASE["fault"] == "config-error":
        refuse_configuration()
    if RELEASE["migrations"]:
        refuse_schema()
    if RELEASE["fault"] == "slow-start":
        time.sleep(SLOW_START_SECONDS)
    if RELEASE["fault"] == "crash-loop":
        Timer(1, crash).start()
    ThreadingHTTPServer(("", 8080), Handler).serve_forever()


if __name__ == "__main__":
    main()
