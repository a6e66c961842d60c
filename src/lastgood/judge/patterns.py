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
    line below. `vague` are words that trouble which comes and goes has as well: they never make sure.
    """

    scenario: Scenario
    words: re.Pattern[str]
    stuck: bool = False
    next_line: bool = False
    vague: bool = False


def _any(*messages: str) -> re.Pattern[str]:
    return re.compile("|".join(messages), re.IGNORECASE)


_KEY: Final = r"[A-Za-z_][\w.-]{1,80}"
_SHOUTED: Final = r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*"
_NAMED: Final = r"[A-Z][A-Z0-9]*_[A-Z0-9_]+"
_Q: Final = r"[\"'`]?"
_FAILED: Final = r"\b(?:could not|couldn't|cannot|can't|unable to|failed to|failure to|error|problem)"

DISK: Final = _any(
    r"no space left on device",
    r"\bENOSPC\b",
    r"disk quota exceeded",
    r"SQLSTATE 53100",
    r"flood[- ]stage disk watermark",
    r"database or disk is full",
    r"unable to persist to disk",
)
MEMORY: Final = _any(
    r"heap out of memory",
    r"java\.lang\.OutOfMemoryError",
    r"System\.OutOfMemoryException",
    r"\bNoMemoryError\b",
    r"memory allocation of \d+ bytes failed",
    r"runtime: out of memory",
    r"^MemoryError\b",
    r"std::bad_alloc",
    r"Cannot allocate memory",
    r"Perhaps out of memory",
    r"insufficient memory for the Java Runtime",
    r"pthread_create failed",
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
    r"certificate verif(?:y|ication) failed",
    r"unable to get local issuer certificate",
    r"self[- ]signed certificate in certificate chain",
    r"\b(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN)\b",
    r"The remote certificate is invalid",
    r"CertificateExpiredException",
    r"PKIX path (?:building|validation) failed",
    r"\bUNABLE_TO_VERIFY_LEAF_SIGNATURE\b",
)
DNS: Final = _any(
    r"lookup (?P<host>[\w.-]+)(?: on [\w.:\[\]]+)?: (?:no such host|server misbehaving|i/o timeout)",
    r"no such host",
    r"getaddrinfo (?:failed|ENOTFOUND|EAI_AGAIN)",
    r"Temporary failure in name resolution",
    r"Name or service not known",
    r"(?:Name|Host) does not resolve",
    r"No address associated with hostname",
    r"failed to lookup address information",
    r"\bnxdomain\b",
    r"UnknownHostException",
    r"host not found in upstream",
    r"could not translate host name",
    r"Could not resolve host:",
)
STUCK: Final = _any(
    r"Dirty database version -?\d+",
    r"\bP3009\b",
    r"(?<!\bno )(?<!\b0 )\bfailed migrations?\b",
    r"no migration found for version",
    r"Can't locate revision identified by",
    r"migration directory is corrupt",
    r"previously applied but is missing",
    r"(?<!acquired )(?<!released )change ?log lock\b",
    r"migration (?:lock|table is already locked)\b",
    r"can't acquire (?:database )?lock$",
    r"ConcurrentMigrationError",
)
MIGRATION: Final = _any(
    r"goose run: ",
    r"\bmigrations? (?:has |have )?failed\b(?! over)",
    rf"{_FAILED}(?: [\w.-]+){{0,4}} migrat(?:e|ing|ions?)\b",
    r"FlywayValidateException",
    r"FlywayMigrateException",
    r"Detected (?:resolved|applied) migration",
    r"InconsistentMigrationHistory",
    r"Conflicting migrations detected",
    r"Multiple head revisions",
    r"Target database is not up to date",
    r"previously applied but has been modified",
    r"Migration checksum mismatch",
    r"liquibase\.exception",
    r"later migrations canceled",
    r"Could not find table '",
    r"PendingMigrationError",
    r"\bP3018\b",
)
SCHEMA: Final = _any(
    r"SQLSTATE 42(?:P01|703|P07|701)\b",
    r"\b(?:relation|column|table|type|index) \S+ (?:of relation \S+ )?(?:already exists|does not exist)",
    r"psycopg\d?\.errors\.(?:Undefined|Duplicate)(?:Column|Table|Object)",
    r"no such (?:table|column): ",
    r"Unknown column '[^']*' in",
    r"Table '[^']*' (?:doesn't exist|already exists)",
    r"duplicate (?:column|key) name\b",
    r"Can't (?:DROP|create table) ",
    r"Invalid (?:object|column) name '",
    r"ORA-009(?:04|42)\b",
)
DEPENDENCY: Final = _any(
    r"connect(?:ion)?:? refused",
    r"\bECONNREFUSED\b",
    r"could not connect to server",
    r"server closed the connection unexpectedly",
    r"Failed to establish a new connection",
    r"(?:while connecting to|no live) upstream",
    r"has gone away",
    r"SSL SYSCALL error",
    r"the database system is (?:starting up|shutting down|in recovery mode|not yet accepting)",
    # SQLSTATEs: connection exception, invalid authorization, no such database, too many connections, shut down.
    r"SQLSTATE (?:08\w{3}|28\w{3}|3D000|53300|57P0[123])\b",
    r"SQLSTATE\[HY000\] \[(?:10(?:40|44|45|49)|20\d\d)\]",
    r"ORA-(?:010(?:17|3[34])|12[15]\d\d|28000)\b",
    r"in a read-only transaction",
    r"read[- ]only replica",
    r"(?:database|server) is (?:in )?read[- ]only",
    r"\b(?:MASTERDOWN|CLUSTERDOWN)\b",
    r"Redis is loading the dataset",
    r"no pg_hba\.conf entry",
    r"\bNOAUTH\b",
    r"\bWRONGPASS\b",
    r"\bERR invalid password",
    r"\bExpiredToken\b",
    r"(?:security|provided) token (?:\w+ ){0,5}(?:expired|invalid)\b",
    r"\bInvalidAccessKeyId\b",
    rf"{_FAILED} (?:retrieve|locate|load) credentials\b",
    r"denied access on the database",
    r"Exception(?: \(\w+\))?: Login failed for user",
    r"login refused",
    r"FATAL: +(?:role|database) \"[^\"]{1,80}\" does not exist",
    r"error occurred during the (?:pre-)?login",
    r"too many (?:clients|connections)",
    r"remaining connection slots are reserved",
    r"Communications link failure",
    r"(?:password|SASL) authentication failed",
    r"Mongo\w+: (?:bad auth|Authentication failed)",
    r"\bACCESS_REFUSED\b",
    r"Access denied for user",
    r"ServerSelectionError",
    r"ServerSelectionTimeoutError",
    r"NoBrokersAvailable",
    r"no route to host",
    r"network is unreachable",
    r"\bETIMEDOUT\b",
    r"dial (?:tcp|udp)\d? \S+ i/o timeout",
    r"terminating connection due to administrator command",
    r"database unavailable",
    r"-ERR max number of clients reached",
)
AWAY: Final = _any(
    r"code = Unavailable\b",
    r"Request failed with status code 50[234]\b",
    r"50[234] Server Error: .{0,80} for url",
    r"connection .{0,80} could not be established",
    r"\bECONN(?:RESET|ABORTED)\b",
    r"\bconnection (?:[\w.-]+ ){0,4}(?:lost|reset|refused|aborted)\b",
    r"\bconnection (?:closed|terminated) (?:unexpectedly|by (?:server|remote))\b",
    r"(?<!client )(?:closed|lost|reset|refused|aborted) (?:the |its )?connection\b",
    rf"{_FAILED}(?: [\w-]+){{0,4}} connect(?:ing|ion)?\b",
    r"no (?:living|live|available|healthy|alive) (?:connection|node|broker|host)s?\b",
    # strerror(ETIMEDOUT) of glibc and of musl; a pool that is used up says it in small letters.
    r"(?-i:Connection|Operation) timed out\b",
)
# What runtimes call errors of the network, and PEP 249 those that are "not necessarily under the control of the
# programmer": named without a cause that is known above, it is still no fault of the code.
REMOTE: Final = _any(
    r"\bOperationalError\b",
    r"(?:Connect|Network|Socket|Broker)\w{0,40}(?:Error|Exception|Failure|Bad)\b",
)
KEYED: Final = (
    rf"(?i:required key) (?P<key>{_KEY}) (?i:missing value)",
    rf"(?i:configuration error): (?P<key>{_KEY}):",
    rf"(?i:environment variables?):? {_Q}(?P<key>{_SHOUTED})\b{_Q} ?(?i:is |was )?(?i:not set|missing|required)",
    rf"(?i:missing (?:required )?environment variables?):? {_Q}(?P<key>{_SHOUTED})\b",
    rf"(?i:environment variables? (?:is |was )?(?:not found|not set|missing|undefined)):? {_Q}(?P<key>{_SHOUTED})\b",
    rf"(?i:required environment variable) {_Q}(?P<key>{_SHOUTED})\b",
    rf"(?i:config(?:uration)? validation error): {_Q}(?P<key>{_KEY})",
    rf"(?i:must (?:specify|set|provide|define) (?:the )?environment variable)\W{{1,3}}(?P<key>{_SHOUTED})\b",
    rf"(?i:configuration property) {_Q}(?P<key>{_KEY}){_Q} is not defined",
    rf"config property (?P<key>{_KEY}) is required",
    rf"required flag\(s\) {_Q}(?P<key>{_KEY})",
    rf"(?i:unknown flag|no such option|bad option|unexpected argument):? {_Q}-{{1,2}}(?P<key>{_KEY})",
    rf"(?i:unrecognized arguments?): -{{1,2}}(?P<key>{_KEY})",
    rf"assigning (?P<key>{_NAMED}) to \w+: converting",
    rf"key not found: \"(?P<key>{_NAMED})\"",
    rf"Missing `(?P<key>{_KEY})` for '\w+' environment",
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
    r"OptionsValidationException",
    r"ConnectionString property has not been initialized",
    r"Format of the initialization string does not conform",
    r"No application encryption key has been specified",
    r"Config File \"[^\"]{1,80}\" Not Found in",
    r"required arguments were not provided",
    r"\bun(?:recognized|known) (?:directive|option|setting|parameter)\b",
    r"into Go (?:struct field|value of type) \w*(?:Config|Settings|Options)\b",
    # What the engine says where a mount of the Compose file does not fit.
    r"mount a directory onto a file",
    r"bind source path does not exist",
    r"creating mount source path",
    r"invalid mount config",
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
    r"starting container process caused",
    r"exec user process caused",
    r"UnhandledPromiseRejection",
    r"(?-i:^(?:Uncaught )?[A-Z]\w*Error: )",
    r"(?-i:^[\w.]+(?:Error|Exception)(?:: |$))",
    r"Exception in thread ",
    r"Application run failed",
    r"PHP Fatal error",
    r"\bClass [\"'][^\"']{1,120}[\"'] not found",
    r"Call to undefined (?:function|method)",
    r"Undefined (?:variable|array key|index|offset|property)\b",
    r"thread '[^']*' (?:\(\d+\) )?panicked at",
    r"\(NameError\)|\(NoMethodError\)|\(LoadError\)",
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
    Pattern(Scenario.DEPENDENCY, DEPENDENCY),
    Pattern(Scenario.DEPENDENCY, AWAY, vague=True),
    Pattern(Scenario.MIGRATION, MIGRATION),
    Pattern(Scenario.MIGRATION, SCHEMA),
    Pattern(Scenario.DEPENDENCY, REMOTE, vague=True),
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
# What a client took back, and nobody's fault: runtimes throw it all the same.
CANCELLED: Final = re.compile(
    r"(?:operation|request|task) was cancell?ed|broken pipe"
    r"|\b[\w.]*(?:Cancell?ed|ClientAbort|BrokenPipe)(?:Error|Exception)\b",
    re.IGNORECASE,
)
# What is told as information, and is the reason all the same where a service does not begin.
WAITS: Final = re.compile(r"waiting for (?:change ?log|migration) lock", re.IGNORECASE)
ENVIRON: Final = re.compile(r"os\.environ|<frozen os>|/os\.py\"")
KEY_ERROR: Final = re.compile(rf"^KeyError: '(?P<key>{_SHOUTED})'")
FIRST_WORD: Final = re.compile(rf"\s*(?P<key>{_KEY})\b")
