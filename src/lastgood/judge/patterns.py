"""What programs print when they fail, by what it means. Pure.

Each message stands as its program prints it: Go's runtime and net package, CPython, Node.js (libuv's codes), the JVM
and Spring, Ruby, PHP, Rust, nginx, PostgreSQL with its SQLSTATEs (its documentation, appendix A) as its drivers pass
them on, and the migration tools. Order matters: the first that matches a line names it, roots before their symptoms.
"""

import re
from typing import Final, NamedTuple

from lastgood.model.diagnosis import Scenario


class Pattern(NamedTuple):
    """A message; groups `key` (a configuration key) and `host` (a name) are taken from it.

    `stuck` marks what the database remembers: any release meets it again. `next_line` tells that the key stands on the
    line below.
    """

    scenario: Scenario
    words: re.Pattern[str]
    stuck: bool = False
    next_line: bool = False


def _any(*messages: str) -> re.Pattern[str]:
    return re.compile("|".join(messages), re.IGNORECASE)


_KEY: Final = r"[A-Za-z_][\w.-]{1,80}"
_SHOUTED: Final = r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*"
_NAMED: Final = r"[A-Z][A-Z0-9]*_[A-Z0-9_]+"
_Q: Final = r"[\"'`]?"

DISK: Final = _any(
    r"no space left on device",
    r"\bENOSPC\b",
    r"disk quota exceeded",
    r"SQLSTATE 53100",
    r"database or disk is full",
    r"unable to persist to disk",
)
MEMORY: Final = _any(
    r"heap out of memory",
    r"java\.lang\.OutOfMemoryError",
    r"runtime: out of memory",
    r"^MemoryError\b",
    r"std::bad_alloc",
    r"Cannot allocate memory",
    r"Perhaps out of memory",
    r"Out of memory: Killed process",
    r"Allowed memory size of \d+ bytes exhausted",
    r"SQLSTATE 53200",
)
PORT: Final = _any(
    r"\bEADDRINUSE\b", r"address already in use", r"port is already allocated", r"Port \d+ (?:was|is) already in use"
)
CERTIFICATE: Final = _any(
    r"x509: certificate (?:has expired|is valid for|signed by unknown authority)",
    r"certificate has expired",
    r"\bCERT_HAS_EXPIRED\b",
    r"CERTIFICATE_VERIFY_FAILED",
    r"CertificateExpiredException",
    r"PKIX path (?:building|validation) failed",
    r"\bUNABLE_TO_VERIFY_LEAF_SIGNATURE\b",
)
DNS: Final = _any(
    r"lookup (?P<host>[\w.-]+)(?: on [\w.:\[\]]+)?: (?:no such host|server misbehaving|i/o timeout)",
    r"no such host",
    r"getaddrinfo (?:ENOTFOUND|EAI_AGAIN)",
    r"Temporary failure in name resolution",
    r"Name or service not known",
    r"UnknownHostException",
    r"host not found in upstream",
    r"could not translate host name",
    r"Could not resolve host:",
)
STUCK: Final = _any(
    r"Dirty database version -?\d+",
    r"\bP3009\b",
    r"migrate found failed migrations",
    r"Detected failed migration",
    r"Found \d* ?failed migration",
    r"no migration found for version",
    r"Can't locate revision identified by",
)
MIGRATION: Final = _any(
    r"goose run: ",
    r"failed to run (?:SQL )?migrations?\b",
    r"\bmigrations? (?:has |have )?failed\b(?! over)",
    r"failed to (?:apply|run|execute) (?:the )?migrations?\b",
    r"FlywayValidateException",
    r"FlywayMigrateException",
    r"Migration checksum mismatch",
    r"liquibase\.exception",
    r"later migrations canceled",
    r"Could not find table '",
    r"PendingMigrationError",
    r"\bP3018\b",
)
SCHEMA: Final = _any(
    r"SQLSTATE 42(?:P01|703|P07|701)\b",
    r"(?:relation|column|table|type|index) \S+ (?:of relation \S+ )?(?:already exists|does not exist)",
    r"psycopg\d?\.errors\.(?:Undefined|Duplicate)(?:Column|Table|Object)",
    r"no such (?:table|column): ",
    r"Unknown column '[^']*' in",
    r"Table '[^']*' doesn't exist",
)
DEPENDENCY: Final = _any(
    r"connect(?:ion)?:? refused",
    r"\bECONNREFUSED\b",
    r"could not connect to server",
    r"the database system is (?:starting up|shutting down|in recovery mode|not yet accepting)",
    r"SQLSTATE 57P0[123]",
    r"too many (?:clients|connections)",
    r"remaining connection slots are reserved",
    r"Communications link failure",
    r"password authentication failed",
    r"Access denied for user",
    r"ServerSelectionError",
    r"ServerSelectionTimeoutError",
    r"NoBrokersAvailable",
    r"Failed to establish a new connection",
    r"no route to host",
    r"network is unreachable",
    r"\bETIMEDOUT\b",
    r"dial (?:tcp|udp)\d? \S+ i/o timeout",
    r"while connecting to upstream",
    r"no live upstreams",
    r"server closed the connection unexpectedly",
    r"terminating connection due to administrator command",
    r"database unavailable",
    r"-ERR max number of clients reached",
)
KEYED: Final = (
    rf"(?i:required key) (?P<key>{_KEY}) (?i:missing value)",
    rf"(?i:configuration error): (?P<key>{_KEY}):",
    rf"(?i:environment variables?):? {_Q}(?P<key>{_SHOUTED})\b{_Q} ?(?i:is |was )?(?i:not set|missing|required)",
    rf"(?i:missing (?:required )?environment variables?):? {_Q}(?P<key>{_SHOUTED})\b",
    rf"(?i:required environment variable) {_Q}(?P<key>{_SHOUTED})\b",
    rf"Could not resolve placeholder '(?P<key>{_KEY})'",
    rf"(?i:invalid environment variables): \{{ ?(?P<key>{_KEY}):",
    rf"The (?P<key>{_SHOUTED}) setting must ",
    rf"(?i:invalid value) .{{0,80}} for (?:the )?(?:flag |option |key |setting |variable )?-{{0,2}}(?P<key>{_KEY})",
    rf"(?i:error decoding) '(?P<key>{_KEY})'",
    rf"Failed to bind properties under '(?P<key>{_KEY})'",
    rf"flag provided but not defined: -(?P<key>{_KEY})",
    rf"\bpath: \[ ?['\"](?P<key>{_NAMED})['\"] ?\]",
    rf"\b(?P<key>{_NAMED})\b{_Q}(?: environment variable)?:? (?:is |was )?(?i:required|not set|missing|must be set)",
)
CONFIGURATION: Final = _any(
    r"ImproperlyConfigured",
    r"(?:decode|parse|load|loading|read|reading|invalid) config(?:uration)?\b",
    r"yaml: (?:line \d+|unmarshal errors)",
    r"mapping values are not allowed",
    r"toml: (?:line|expected)",
    r"\[emerg\]",
    r"Failed to configure a DataSource",
    r"invalid configuration",
)
BELOW: Final = _any(
    r"\d+ validation errors? for \w*(?:Settings|Config|Env)\w*",
    r"missing (?:required )?environment variables?:\s*$",
    r"variables .{0,80}\bnot (?:present|set|defined)\b.{0,40}:\s*$",
)
FRONTEND: Final = _any(
    r"open\(\) \"[^\"]+\.(?:m?js|css)\" failed \(2: No such file or directory\)",
    r"directory index of \"[^\"]+\" is forbidden",
)
CRASH: Final = _any(
    r"^panic: ",
    r"http: panic serving",
    r"^fatal(?: error)?: ",
    r"\bSIGSEGV\b",
    r"segmentation (?:violation|fault)",
    r"exec format error",
    r"unable to start container process",
    r"UnhandledPromiseRejection",
    r"^(?:Uncaught )?[A-Z]\w*Error: ",
    r"^[\w.]+(?:Error|Exception)(?:: |$)",
    r"Exception in thread ",
    r"Application run failed",
    r"PHP Fatal error",
    r"thread '[^']*' panicked at",
    r"\bFATAL\b",
    r"Unhandled exception",
    r"Caused by: ",
)

TABLE: Final = (
    Pattern(Scenario.DISK_FULL, DISK),
    Pattern(Scenario.OUT_OF_MEMORY, MEMORY),
    Pattern(Scenario.PORT_TAKEN, PORT),
    Pattern(Scenario.CERTIFICATE, CERTIFICATE),
    Pattern(Scenario.DNS, DNS),
    Pattern(Scenario.MIGRATION, STUCK, stuck=True),
    Pattern(Scenario.MIGRATION, MIGRATION),
    Pattern(Scenario.DEPENDENCY, DEPENDENCY),
    Pattern(Scenario.MIGRATION, SCHEMA),
    Pattern(Scenario.CONFIGURATION, BELOW, next_line=True),
    *(Pattern(Scenario.CONFIGURATION, re.compile(words)) for words in KEYED),
    Pattern(Scenario.CONFIGURATION, CONFIGURATION),
    Pattern(Scenario.FRONTEND, FRONTEND),
    Pattern(Scenario.API_ERRORS, CRASH),
)

# Combined and common log format: what a client asked for stands in it, so that it is never taken for a message.
ACCESS: Final = re.compile(r"\"(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) [^\"]{0,400}\" (?P<status>\d{3})\b")
QUIET: Final = re.compile(
    r"\blevel=(?:info|debug|trace)\b|\"level\": ?\"(?:info|debug|trace)\"|^\[?(?:INFO|DEBUG|TRACE)\b"
    r"|\d(?:Z|[+-]\d{4}\])? +(?:\[\d+\] )?\[?(?:INFO|DEBUG|TRACE)\b"
    r"|[A-Z]{3} \[\d+\] (?:LOG|DETAIL|STATEMENT|HINT):",
    re.IGNORECASE,
)
ENVIRON: Final = re.compile(r"os\.environ|<frozen os>|/os\.py\"")
KEY_ERROR: Final = re.compile(rf"^KeyError: '(?P<key>{_SHOUTED})'")
FIRST_WORD: Final = re.compile(rf"\s*(?P<key>{_KEY})\b")
