"""Everything that can be wrong with a `lastgood.yaml`: the error names file, line, place and what would be right."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lastgood.config.load import load
from lastgood.model.errors import ConfigError

ENV = "environments: {prod: {}}\n"
REFERENCE = "write a reference and not the secret itself: env:NAME, file:PATH or command:ARGV"
SERVICE = ENV + "services:\n  api:\n"  # what a service says stands on line 4
HTTP = "probes: [{kind: http, url: 'http://x', "
NO_HOST = "is not a host; write ssh://user@host:port, or local for this machine"
NO_PATH = "is not a plain relative path (no '..', no leading '/' or '-')"


def error(text: str | bytes) -> ConfigError:
    with pytest.raises(ConfigError) as raised:
        load(text.encode() if isinstance(text, str) else text, "lastgood.yaml")
    return raised.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ": the file is empty"),
        ("# only a comment\n", ": the file is empty"),
        ("a: [1\n", ":2:1: not YAML: expected ',' or ']', but got '<stream end>'"),
        ("environments:\n\tprod: {}\n", ":2:1: not YAML: indented by a tab; YAML wants spaces"),
        ("environments:\n  prod:\n  \thosts: [local]\n", ":3:3: not YAML: indented by a tab; YAML wants spaces"),
        ("a: b: c\n", ":1:5: not YAML: mapping values are not allowed here"),
        ("a: 1\n---\nb: 2\n", ":2:1: not YAML: more than one document"),
        (b"a: 1\nb: \xff\n", ":2: not UTF-8 text"),
        ("a: \x1b[2J\n", ": not YAML: unacceptable character #x001b: special characters are not allowed"),
        ("[" * 1000, ": too deeply nested"),
        ("a: &x [*x]\n", ": too large or too deeply nested; are its aliases in a circle?"),
        ("- a\n", ":1 $: expected a mapping, got a list"),
        ("hello\n", ":1 $: expected a mapping, got text"),
        ("1: 2\n", ":1 $: keys are text; put '1' in quotes"),
        ("environments: {prod: {}}\n? [a]\n: b\n", ":2 $: keys are text; put this one in quotes"),
        ("a: 1\nb:\n  c: !python x\n", ":3 $.b.c: YAML tags such as '!python' are not used here"),
        (ENV + "services: {a: {}}\nservices: {b: {}}\n", ":3 $.services: this key stands here twice"),
        (
            SERVICE + "    gate: {passes: 1}\n    gate: {passes: 2}\n",
            ":5 $.services.api.gate: this key stands here twice",
        ),
    ],
)
def test_what_is_no_usable_yaml_must_be_told_with_its_place(text: str | bytes, expected: str) -> None:
    assert error(text).what == "lastgood.yaml" + expected


def test_an_alias_bomb_must_not_go_off() -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 12))
    assert "too large" in error(f"l0: &l0 [x]\n{levels}").what


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("services: {a: {}}\n", ":1 $: environments is missing"),
        (ENV, ":1 $: services is missing"),
        (ENV + "services:\n", ":2 $.services: expected a mapping, got nothing"),
        (ENV + "services: {}\n", ":2 $.services: name at least one service"),
        ("environments: {}\nservices: {a: {}}\n", ":1 $.environments: name at least one environment"),
        (ENV + "service: {a: {}}\n", ":2 $.service: unknown key; did you mean services?"),
        (ENV + "services: {a: {}}\nversion: 2\n", ":3 $.version: '2' is not known; there are: 1"),
        (ENV + "services: {a.b: {gat: 1}}\n", ':2 $.services["a.b"].gat: unknown key; did you mean gate?'),
        (ENV + "services: {a: 1}\n", ":2 $.services.a: expected a mapping, got a whole number"),
        (ENV + "services: {a: }\n", ":2 $.services.a: expected a mapping, got nothing"),
    ],
)
def test_a_wrong_outline_must_be_told_with_its_place(text: str, expected: str) -> None:
    assert error(text).what == "lastgood.yaml" + expected


@pytest.mark.parametrize(
    "name", ["--force", "../x", "$(x)", "a/b", "a b", '"a\\nb"', '"\\e[2J"', ".x", "_x", '""', "é"]
)
def test_hostile_names_must_be_refused_with_their_place(name: str) -> None:
    for text in (
        f"environments:\n  {name}: {{}}\nservices: {{a: {{}}}}\n",
        ENV + f"services:\n  {name}: {{}}\n",
        ENV + f"services: {{a: {{}}}}\napps:\n  {name}: [a]\n",
    ):
        said = error(text).what
        assert re.match(r"lastgood.yaml:[34] \$\.|lastgood.yaml:2 \$\.environments", said)
        assert "names are letters, digits, '.', '_' and '-'" in said
        assert said.isprintable()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ("{host: [local]}", ".host: unknown key; did you mean hosts?"),
        ("{hosts: local}", ".hosts: expected a list, got text"),
        ("{hosts: []}", ".hosts: expected a list with something in it"),
        ("{hosts: [local, local]}", ".hosts[1]: local stands here twice"),
        ("{hosts: ['ssh://deploy@203.0.113.7', 'ssh://[2001:db8::7]:2222']}", None),
        *(
            (f"{{hosts: ['{host}']}}", f".hosts[0]: '{host}' {NO_HOST}")
            for host in ("ssh://", "ssh://-oProxyCommand=x", "ssh://-l@host", "ssh://a b", "ssh://h/p", "ssh://h:port")
        ),
        ("{order: sideways}", ".order: 'sideways' is not known; there are: one-first, all-at-once, one-by-one"),
        ("{unreachable: ignore}", ".unreachable: 'ignore' is not known; there are: refuse, go-on"),
        ("{hosts: [server1]}", f".hosts[0]: 'server1' {NO_HOST}"),
        ("{hosts: ['-x']}", f".hosts[0]: '-x' {NO_HOST}"),
        ("{push: always}", ".push: 'always' is not known; there are: best-effort, required"),
        ("{push: best_effort}", ".push: 'best_effort' is not known; did you mean best-effort?"),
        ("{branch: --force}", ".branch: '--force' is not a branch name"),
        ("{branch: a..b}", ".branch: 'a..b' is not a branch name"),
        ("{branch: 'a b'}", ".branch: 'a b' is not a branch name"),
        ("{branch: a.lock}", ".branch: 'a.lock' is not a branch name"),
        ("{branch: ''}", ".branch: '' is not a branch name"),
        ("{branch: 1.10}", ".branch: expected text, got a number; put it in quotes"),
        ("{state: var/lib}", ".state: 'var/lib' is not a plain absolute path"),
        ("{state: /}", ".state: '/' is not a plain absolute path"),
        ("{state: /a/../b}", ".state: '/a/../b' is not a plain absolute path"),
        ("{checkout: '/a\\nb'}", None),
        ('{checkout: "/a\\nb"}', ".checkout: '/a\\nb' is not a plain absolute path"),
        ("{checkout: ~}", ".checkout: expected text, got nothing"),
    ],
)
def test_a_wrong_environment_must_be_told_with_its_place(environment: str, expected: str | None) -> None:
    text = f"services: {{a: {{}}}}\nenvironments:\n  test: {{}}\n  prod: {environment}\n"
    if expected is None:  # a backslash in single quotes is an ordinary character of a path
        assert load(text.encode(), "lastgood.yaml").targets("/r")
    else:
        assert error(text).what == f"lastgood.yaml:4 $.environments.prod{expected}"


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("probs: []", ".probs: unknown key; did you mean probes?"),
        ("engine: compose", ".engine: expected a mapping, got text"),
        ("engine: {kind: composer}", ".engine.kind: there is no engine kind 'composer'; did you mean compose?"),
        ("engine: {kind: ../x}", ".engine.kind: there is no engine kind '../x'"),
        ("engine: {kind: 1}", ".engine: kind is missing or no text; one of: compose, script"),
        ("engine: {fil: x}", ".engine.fil: unknown key; did you mean file?"),
        (
            "engine: {file: /etc/x}",
            f".engine.file: '/etc/x' {NO_PATH}",
        ),
        ("engine: {file: '{envv}/x'}", ".engine.file: unknown placeholder {envv}; did you mean env?"),
        ("engine: {file: '{tag}/x'}", ".engine.file: unknown placeholder {tag}; there are: env, service"),
        ("engine: {file: 5}", ".engine.file: expected text, got a whole number; put it in quotes"),
        (
            "engine: {env_files: [a, ../b]}",
            f".engine.env_files: '../b' {NO_PATH}",
        ),
        ("pin: {file: ../x}", f".pin.file: '../x' {NO_PATH}"),
        ("pin: {file: -x}", f".pin.file: '-x' {NO_PATH}"),
        ("pin: {file: a//b}", f".pin.file: 'a//b' {NO_PATH}"),
        ("pin: {file: ''}", f".pin.file: '' {NO_PATH}"),
        (
            "engine: {project: --force}",
            ".engine.project: '--force' is not a Compose project name (lower-case letters, digits, '-', '_')",
        ),
        ("pin: {kind: compose}", ".pin: service is missing"),
        ("registry: {scheme: ftp}", ".registry.scheme: 'ftp' is not known; there are: auto, http, https"),
        ("probes: {kind: http}", ".probes: expected a list, got a mapping"),
        ("probes: [http]", ".probes[0]: expected a mapping, got text"),
        ("probes: [{}]", ".probes[0]: kind is missing or no text; one of: container, http"),
        ("probes: [{kind: container}, {kind: http}]", ".probes[1]: url is missing"),
        (
            HTTP + "timout: 3s}]",
            ".probes[0].timout: unknown key; did you mean timeout?",
        ),
        (
            HTTP + "timeout: 3}]",
            ".probes[0].timeout: a duration needs its unit; write 3s",
        ),
        (
            HTTP + "timeout: soon}]",
            ".probes[0].timeout: 'soon' is not a duration; write it like 500ms, 2s, 10m or 1h",
        ),
        (
            HTTP + "json: {a: b, v: 1.10}}]",
            ".probes[0].json.v: expected text, got a number; put it in quotes",
        ),
        (
            HTTP + "json: {v: '{tagg}'}}]",
            ".probes[0].json.v: unknown placeholder {tagg}; did you mean tag?",
        ),
        (
            HTTP + "status: '200'}]",
            ".probes[0].status: expected a whole number, got text",
        ),
        ("probes: [{kind: http, url: x}]", ".probes[0]: 'x' is not an http:// or https:// URL"),
        (
            "probes: [{kind: http, url: 'http://{srv}/'}]",
            ".probes[0].url: unknown placeholder {srv}; did you mean service?",
        ),
        ("gate: {interval: 10}", ".gate.interval: a duration needs its unit; write 10s"),
        ("gate: {interval: true}", ".gate.interval: expected a duration such as 500ms, 2s, 10m or 1h"),
        ("gate: {interval: 0s}", ".gate: interval must be 50ms or more"),
        ("gate: {passes: 0}", ".gate.passes: expected a whole number >= 1"),
        ("gate: {limit: 1s, interval: 2s}", ".gate: limit must not be shorter than interval"),
        ("walk_back: {depth: 3}", ".walk_back.depth: unknown key; there are: releases, time"),
        (
            "untracked: [../.env]",
            f".untracked[0]: '../.env' {NO_PATH}",
        ),
        ("envs: [prd]", ".envs[0]: there is no environment 'prd'; did you mean prod?"),
        ("envs: []", ".envs: expected a list with something in it"),
        ("envs: [prod, prod]", ".envs[1]: prod stands here twice"),
        ("database: {migrator: dbmate, nme: y}", ".database.nme: unknown key; did you mean name?"),
        (
            "database: {migrator: gose}",
            ".database.migrator.kind: there is no migrator kind 'gose'; did you mean goose?",
        ),
        ("database: {migrator: {kind: goose, tabel: x}}", ".database.migrator.tabel: unknown key; did you mean table?"),
        ("database: {dsn: 'postgres://u:pw@h/d'}", ".database.dsn: " + REFERENCE),
        ("database: {password: hunter2}", ".database.password: " + REFERENCE),
        (
            "database: {dsn: 'env:DSN', container: db}",
            ".database: container goes not with dsn: there is one way to the database",
        ),
        ("database: {container: '-x'}", ".database: names of containers and databases do not begin with '-'"),
        (
            "database: {migrations: {folder: ../x}}",
            ".database.migrations.folder: '../x' is not a plain relative path (no '..', no leading '/' or '-')",
        ),
        ("database: {migrations: {image: x}}", ".database.migrations.image: 'x' is not a plain absolute path"),
        (
            "database: {migrations: {image: /m, repo: x}}",
            ".database.migrations: image goes with neither repo nor folder: the migrations are in one place",
        ),
        ("database: {backups: {keep: 0}}", ".database.backups.keep: expected a whole number >= 1"),
        (
            "database: {host: shop}",
            ".database.host: 'shop' is not a host; write ssh://user@host:port, or local for this machine",
        ),
        ("database: {name: 5}", ".database.name: expected text, got a whole number; put it in quotes"),
    ],
)
def test_a_wrong_service_must_be_told_with_its_place(setting: str, expected: str) -> None:
    assert error(f"{SERVICE}    {setting}\n").what == f"lastgood.yaml:4 $.services.api{expected}"


@pytest.mark.parametrize(
    ("apps", "expected"),
    [
        ("{shop: [api, wbe]}", ".shop[1]: there is no service 'wbe'; did you mean web?"),
        ("{shop: []}", ".shop: name at least one service"),
        ("{shop: [api, api]}", ".shop[1]: api stands here twice"),
        ("{shop: api}", ".shop: expected a list, got text"),
        ("{api: [web]}", ".api: an app must not be called like a service: a command could mean either"),
    ],
)
def test_a_wrong_app_must_be_told_with_its_place(apps: str, expected: str) -> None:
    assert error(f"{ENV}services: {{api: {{}}, web: {{}}}}\napps: {apps}\n").what == f"lastgood.yaml:3 $.apps{expected}"


def test_a_service_that_is_no_project_name_must_be_told_where_to_say_one() -> None:
    what = error(ENV + "services: {Shop.API: {}}\n").what
    assert what.startswith(
        "lastgood.yaml:2 $.services[\"Shop.API\"].engine.project: 'Shop.API' is not a Compose project"
    )


def test_an_unknown_kind_must_list_the_kinds_there_are() -> None:
    assert error(f"{SERVICE}    pin: {{kind: valuess}}\n").because == ("there are: compose, env-file, values",)


def test_the_line_must_be_the_keys_own_in_a_long_file() -> None:
    text = ENV + "services:\n" + "".join(f"  s{n}:\n    gate:\n      passes: 3\n" for n in range(50))
    text += "  last:\n    gate:\n      passes: 3\n      windw: 3s\n"
    assert error(text).what == "lastgood.yaml:156 $.services.last.gate.windw: unknown key; did you mean window?"


def outcome(text: str) -> str:
    try:
        load(text.encode(errors="surrogatepass"), "lastgood.yaml")
    except ConfigError as raised:
        return raised.what
    return "loaded"


@settings(deadline=None)  # a loaded machine is no failure
@given(st.text(max_size=200))
def test_any_text_must_load_or_be_a_config_error_that_can_be_printed(text: str) -> None:
    assert outcome(text).isprintable()
