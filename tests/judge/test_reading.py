"""Logs are written by anybody: they must be read without being believed, obeyed or leaked."""

import time

import pytest

from lastgood.judge import page as pages
from lastgood.judge.logs import CAP, LONGEST, read
from lastgood.judge.signs import Sign, signs
from lastgood.model.diagnosis import Scenario, Source
from lastgood.model.situation import Body, Log

STAMP = b"2026-11-28T02:59:00.123456789Z "


def seen(text: str, since: int = 0) -> tuple[Sign, ...]:
    return signs([read("api-1", text.encode())], (), since)


def test_an_endless_log_must_be_read_from_its_end_only() -> None:
    log = read("api-1", b"x" * 100 + b"\n" + (b"noise\n" * CAP) + b"panic: the last word\n")
    assert log.cut
    assert log.lines[-1].text == "panic: the last word"
    assert sum(len(line.text) for line in log.lines) < CAP


def test_a_line_without_an_end_must_be_kept_short() -> None:
    log = read("api-1", b"A" * (2 * CAP))
    assert log.cut
    assert [len(line.text) for line in log.lines] == [LONGEST]


def test_binary_must_be_read_without_an_error_and_shown_harmless() -> None:
    log = read("api-1", bytes(range(256)) * 40 + b"\npanic: after it\n")
    assert log.lines[-1].text == "panic: after it"
    assert all(line.text.isprintable() for line in log.lines)


def test_terminal_escapes_must_neither_reach_the_reader_nor_hide_a_message() -> None:
    log = read("api-1", b"\x1b[2J\x1b]0;pwned\x07\x1b[1;31mpa\x1b[0mnic: red\x1b[0m\r\n\x9b31mx\n")
    assert log.lines[0].text == "panic: red"
    assert all(line.text.isprintable() for line in log.lines)
    assert [sign.scenario for sign in signs([log], (), 0)] == [Scenario.API_ERRORS]


@pytest.mark.parametrize(
    "line",
    [
        b"dial postgres://shop:hunter22@db:5432/shop failed: connection refused",
        b"DB_PASSWORD: hunter22",
        STAMP + b"DB_PASSWORD: hunter22",
        b"Authorization: Bearer hunter22hunter22",
        b"panic: bad token hunter22 given",
        b"hun\x1b[0mter22",
    ],
)
def test_secrets_must_be_masked(line: bytes) -> None:
    log = read("api-1", line + b"\n", {"hunter22"})
    assert "hunter22" not in " ".join(one.text for one in log.lines)


def test_the_engines_time_must_be_taken_off_a_line() -> None:
    line = read("api-1", STAMP + b"panic: now\n").lines[0]
    assert (line.text, line.at) == ("panic: now", 1795834740)


def test_what_only_looks_like_a_time_must_be_text() -> None:
    line = read("api-1", b"0000-00-00T00:00:00Z panic: now\n").lines[0]  # the rest of a line that was cut
    assert (line.text, line.at) == ("0000-00-00T00:00:00Z panic: now", 0)


def test_lines_from_before_must_not_count() -> None:
    content = b"2026-11-28T02:00:00Z panic: long ago\n" + STAMP + b"listening\n"
    assert signs([read("api-1", content)], (), 1795834700) == ()


def test_what_a_client_asks_for_must_never_be_taken_for_a_message() -> None:
    line = '10.0.0.1 - - [28/Nov/2026:02:59:00 +0000] "GET /?q=no space left on device HTTP/1.1" 500 12\n'
    (found,) = seen(line)
    assert (found.scenario, found.text) == (Scenario.API_ERRORS, "a request was answered with 500")


@pytest.mark.parametrize(
    "line",
    [
        '{"level":"info","msg":"no space left on device: check passed"}',
        "INFO panic button rendered",
        'level=debug msg="connection refused, will retry"',
        "2026-11-28 02:59:00,000 INFO app: 0 errors, ENOSPC counter 0",
        "Generating a self-signed certificate for localhost",
        "liquibase.lockservice: Successfully acquired change log lock",
        "validated 12 migrations, no failed migrations",
        "Login failed for user 'bob'",
        "2026-11-28 02:59:00.000 UTC [29] LOG:  could not receive data: Connection refused",
    ],
)
def test_what_is_only_told_must_not_count(line: str) -> None:
    assert seen(line + "\n") == ()


@pytest.mark.parametrize(
    ("text", "scenario", "key"),
    [
        ("pq: could not extend file: No space left on device", Scenario.DISK_FULL, ""),
        ("FATAL: sorry, too many clients already (SQLSTATE 53300)", Scenario.DEPENDENCY, ""),
        ("java.lang.OutOfMemoryError: Metaspace", Scenario.OUT_OF_MEMORY, ""),
        ("x509: certificate has expired or is not yet valid", Scenario.CERTIFICATE, ""),
        ("lookup db.internal on 127.0.0.11:53: no such host", Scenario.DNS, ""),
        ("error: Dirty database version 4. Fix and force version.", Scenario.MIGRATION, ""),
        ("listen tcp :8080: bind: address already in use", Scenario.PORT_TAKEN, ""),
        ("required key API_TOKEN missing value", Scenario.CONFIGURATION, "API_TOKEN"),
        ("1 validation error for Settings\nREDIS_URL\n  Field required", Scenario.CONFIGURATION, "REDIS_URL"),
        ("user_id is required", None, ""),
        ("failed to run migrations: dial tcp 10.0.0.3:5432: connect: connection refused", Scenario.DEPENDENCY, ""),
        ("FlywaySqlException: Unable to obtain connection from database", Scenario.DEPENDENCY, ""),
        ("sqlalchemy.exc.OperationalError: (psycopg.OperationalError) consuming input failed", Scenario.DEPENDENCY, ""),
        ('django.db.utils.OperationalError: (1060, "Duplicate column name")', Scenario.MIGRATION, ""),
        ("sqlite3.OperationalError: no such table: orders", Scenario.MIGRATION, ""),
        ("ERROR failed to auto migrate: syntax error", Scenario.MIGRATION, ""),
        ("error: Environment variable not found: DIRECT_URL.", Scenario.CONFIGURATION, "DIRECT_URL"),
        ('Config validation error: "DATABASE_HOST" is required', Scenario.CONFIGURATION, "DATABASE_HOST"),
        ("error: unexpected argument '--fast' found", Scenario.CONFIGURATION, "fast"),
        ("Error: Must specify environment variable[ANNOUNCE_HOST]", Scenario.CONFIGURATION, "ANNOUNCE_HOST"),
        ('Error: Configuration property "database.ssl" is not defined', Scenario.CONFIGURATION, "database.ssl"),
        ("INFO db.liquibase :: Waiting for migration lock to be cleared...", Scenario.MIGRATION, ""),
        ("thread 'main' (1) panicked at src/main.rs:2:5:", Scenario.API_ERRORS, ""),
        ("Executable /usr/bin/influxd does not exist!", None, ""),
        ('app.ERROR: No active page for page ID "12"', None, ""),
        ("panic: context canceled", Scenario.API_ERRORS, ""),
        ("System.OperationCanceledException: The operation was canceled.", None, ""),
        ("BrokenPipeError: [Errno 32] Broken pipe", None, ""),
        ("thread 'main' panicked at src/main.rs:2:5:", Scenario.API_ERRORS, ""),
    ],
)
def test_known_messages_must_be_known(text: str, scenario: Scenario | None, key: str) -> None:
    found = seen(text + "\n")
    assert [(one.scenario, one.key) for one in found] == ([(scenario, key)] if scenario else [])


def test_alike_lines_must_be_one_sign_with_its_first_time() -> None:
    content = b"2026-11-28T02:58:00Z panic: a\n2026-11-28T02:59:00Z panic: b\n"
    (found,) = signs([read("api-1", content)], (), 0)
    assert (found.count, found.last - found.at) == (2, 60)
    assert found.evidence().said == 'api-1: "panic: a" (2 times)'


def test_what_the_engine_says_must_be_told_from_what_a_log_says() -> None:
    (found,) = signs((), (Body("api-1", error="Bind for 0.0.0.0:80 failed: port is already allocated"),), 0)
    assert (found.scenario, found.evidence().source) == (Scenario.PORT_TAKEN, Source.ENGINE)


def test_an_engines_error_must_not_be_as_old_as_its_container() -> None:
    """The engine does not say when a start failed: a container of last month may have failed to start just now."""
    old = Body("api-1", error="Bind for 0.0.0.0:80 failed: port is already allocated", created=1_000)
    (dated,), (undated,) = signs((), (old,), 1_000), signs((), (old,), 1_001)
    assert (dated.at, undated.at) == (1_000, 0)


def test_another_containers_own_troubles_must_not_be_the_services() -> None:
    noise = Log("db-1", read("db-1", b'FATAL:  role "root" does not exist\n').lines, mine=False)
    full = Log("db-1", read("db-1", b"ERROR:  could not extend file: No space left on device\n").lines, mine=False)
    assert signs([noise], (), 0) == ()
    assert [one.scenario for one in signs([full], (), 0)] == [Scenario.DISK_FULL]


PAGE = "https://shop.example/"


@pytest.mark.parametrize(
    ("html", "blank", "assets"),
    [
        ("<base href=/v1/><base href=/v2/><script src=a.js></script>", False, ("https://shop.example/v1/a.js",)),
        ("<div></div><![x[ y ]]><!-- <p>Hello</p>", True, ()),
        ("<div></div><p", True, ()),
        ("<title>Shop</title>Hello &", False, ()),
        ("<div></div><script>go()", False, ()),
        ("<script src='http://['></script>", True, ()),
        (f"<script src='data:,{'x' * 5000}'></script>", True, ()),
        (f"<div></div><img src='data:,{'x' * 600_000}'>", False, ()),
    ],
)
def test_broken_html_must_be_read_as_browsers_do(html: str, assets: tuple[str, ...], *, blank: bool) -> None:
    found = pages.read(PAGE, html.encode())
    assert (found.blank, found.assets) == (blank, assets)


@pytest.mark.parametrize(
    "html",
    ["<!--", "</", "<a ", "<a x='", "<?", "<![", "<div", "<base href=a/>", "<noscript>" * 300 + "</title>" * 400],
)
def test_no_page_must_take_long_to_be_read(html: str) -> None:
    begun = time.process_time()
    pages.read(PAGE, (html * (600_000 // len(html))).encode())
    assert time.process_time() - begun < 20
