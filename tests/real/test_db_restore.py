"""A restore goes through a second database and a trade of names; what it loses is named and accepted."""

import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from dbshop import Base, opened
from shop import API, ENV

from lastgood.cli.session import Session
from lastgood.model.errors import Exit, WorldMoved
from lastgood.model.restoring import agree
from sandbox.run import docker

SECRET = "h'ush-hush"  # noqa: S105 - of a server that nobody can reach


@pytest.fixture(scope="module")
def world() -> Iterator[Base]:
    with opened() as base:
        yield base


@pytest.fixture
def base(world: Base) -> Iterator[Base]:
    """A database with one order more than its only backup."""
    world.contained()
    world.forget()
    for path in world.folder.glob("*"):
        path.unlink()
    world.sql("TRUNCATE orders")
    world.order(3)
    world.db("backup")
    world.order()
    yield world
    assert world.traces() == []


def backup(base: Base) -> str:
    return next(base.folder.glob("*.dump")).name


def started(base: Base) -> str:
    """When the service's container was started."""
    return docker("inspect", "--format", "{{.State.StartedAt}}", f"{API}-{base.world.name}-api-1")


def dumped(base: Base, *options: str) -> bytes:
    argv = ("docker", "exec", base.container, "pg_dump", "-U", "shop", *options, "shop")
    return subprocess.run(argv, capture_output=True, check=True).stdout


def test_a_restore_with_clients_connected_keeps_the_former_database(base: Base) -> None:
    old = base.oid()
    argv = ("docker", "exec", "-i", base.container, "psql", "-X", "-U", "shop", "shop")
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdin
        assert client.stdout
        client.stdin.write("BEGIN; SELECT count(*) FROM orders;\n\\echo there\n")
        client.stdin.flush()
        while client.stdout.readline().strip() != "there":
            assert client.poll() is None
        ended = base.restore(backup(base))
        client.kill()
    assert (base.count(), base.count(ended["aside"])) == (3, 4)
    assert base.oid(ended["aside"]) == old
    assert ended["rows"]["public.orders"] == 3
    assert base.serves()
    back = base.db("restore", "--back", "--yes", "--accept-loss", "shop")
    assert (base.oid(), base.count(), base.count(back["aside"])) == (old, 4, 3)
    assert base.serves()


def test_the_service_does_not_run_while_names_are_traded_unless_asked_to(base: Base) -> None:
    before = started(base)
    base.restore(backup(base), "--keep-running")
    assert started(base) == before
    assert base.count() == 3
    base.db("restore", "--back", "--yes", "--accept-loss", "shop")
    assert started(base) > before


@pytest.mark.parametrize("words", [(), ("--yes",), ("--accept-loss", "shop"), ("--yes", "--accept-loss", "orders")])
def test_without_consent_to_the_loss_nothing_is_touched(base: Base, words: tuple[str, ...]) -> None:
    old = base.oid()
    refused = base.db("restore", backup(base), *words, ends=Exit.CONSENT_NEEDED)
    assert refused["because"][0].startswith("everything written to shop since ")
    assert "public.orders: 4 rows now, 3 afterwards" in refused["because"]
    assert refused["next"][0].endswith("--yes --accept-loss shop")
    assert (base.oid(), base.count(), base.databases()) == (old, 4, {"shop", "postgres"})


@pytest.mark.parametrize(("typed", "ends"), [("shop", Exit.DONE), ("yes", Exit.CONSENT_NEEDED)])
def test_on_a_terminal_the_database_s_name_is_typed(base: Base, typed: str, ends: Exit) -> None:
    argv = ["-m", "lastgood", "db", "restore", API, ENV, backup(base), "--keep-running"]
    child = pexpect.spawn(
        sys.executable,
        argv,
        cwd=str(base.world.laptop),
        env=base.world.env,
        encoding="utf-8",
        timeout=240,  # type: ignore[arg-type]
    )
    child.expect("everything written to shop since")
    child.expect("Type the database's name, shop,")
    child.sendline(typed)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == ends
    assert base.count() == (3 if ends is Exit.DONE else 4)


@pytest.mark.parametrize("form", ["custom", "plain", "gzip"])
def test_a_dump_of_other_origin_is_restored(base: Base, tmp_path: Path, form: str) -> None:
    content = dumped(base, *(("-Fc",) if form == "custom" else ()))
    path = tmp_path / "their dump"
    path.write_bytes(gzip.compress(content) if form == "gzip" else content)
    base.order()
    plan = base.db("restore", str(path), "--dry-run")
    assert (plan["kind"], plan["form"], plan["loss"]["since"]) == ("restoring", form, 0)
    assert "no manifest" in plan["warnings"][0]
    ended = base.restore(str(path), "--keep-running")
    assert (base.count(), base.count(ended["aside"])) == (4, 5)


@pytest.mark.parametrize("line", ["\\connect postgres", "CREATE DATABASE other;", "\\! touch /tmp/owned"])
def test_a_plain_dump_that_does_more_than_fill_a_database_is_refused(base: Base, tmp_path: Path, line: str) -> None:
    path = tmp_path / "dump.sql"
    path.write_bytes(line.encode() + b"\n" + dumped(base))
    old = base.oid()
    refused = base.restore(str(path), ends=Exit.REFUSED)
    assert line.split(maxsplit=1)[0] in refused["because"][0]
    assert (base.oid(), base.databases()) == (old, {"shop", "postgres"})


def test_what_cannot_be_loaded_leaves_everything_as_it_was(base: Base, tmp_path: Path) -> None:
    path = tmp_path / "dump.sql"
    path.write_text("CREATE TABLE a ();\nSELECT nope;\n")
    old = base.oid()
    ended = base.restore(str(path), ends=Exit.FAILED_RESTORED)
    assert "nope" in ended["because"][0]
    assert (base.oid(), base.databases(), base.serves()) == (old, {"shop", "postgres"}, True)


def test_a_database_that_something_follows_is_not_swapped(base: Base) -> None:
    base.sql("CREATE SUBSCRIPTION news CONNECTION 'dbname=x' PUBLICATION p WITH (connect = false)")
    try:
        refused = base.restore(backup(base), ends=Exit.REFUSED)
    finally:
        base.sql("ALTER SUBSCRIPTION news SET (slot_name = NONE); DROP SUBSCRIPTION news")
    assert refused["because"] == ["subscription news"]
    assert base.databases() == {"shop", "postgres"}


def test_a_user_who_may_not_make_databases_is_told_so(base: Base) -> None:
    base.sql("DROP ROLE IF EXISTS plain; CREATE ROLE plain LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO plain")
    base.configure(f"{{container: {base.container}, name: shop, user: plain}}")
    refused = base.restore(backup(base), ends=Exit.REFUSED)
    base.sql("DROP OWNED BY plain; DROP ROLE plain")
    assert refused["what"] == "plain may not make databases."


def test_a_disk_without_room_for_a_second_database_is_refused(base: Base) -> None:
    manifest = base.folder / f"{backup(base)}.json"
    size = os.statvfs("/").f_blocks * os.statvfs("/").f_frsize
    text = manifest.read_text()
    manifest.write_text(text.replace('"database_size":', f'"database_size":{size},"was":'))
    refused = base.restore(backup(base), ends=Exit.REFUSED)
    assert "too little room" in refused["what"]
    assert base.databases() == {"shop", "postgres"}


def test_a_database_that_is_another_by_now_is_not_touched(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan is of one database; what has its name when it is carried out must be that one."""
    for name, value in base.world.env.items():
        monkeypatch.setenv(name, value)
    session = Session((), json=True, repo=str(base.world.laptop), no_color=True, quiet=True)
    databases = session.service.databases(session.target(API, ENV))
    plan, run = databases.planned(backup(base), lambda _: None, back=False, keep_running=True)
    base.sql("ALTER DATABASE shop WITH ALLOW_CONNECTIONS false", "postgres")
    base.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shop'", "postgres")
    base.sql("ALTER DATABASE shop RENAME TO was; CREATE DATABASE shop TEMPLATE was", "postgres")
    with pytest.raises(WorldMoved):
        databases.restore(agree(plan, "shop", "ann", "a test"), run, lambda _: None, take_over=False)
    assert base.databases() == {"shop", "was", "postgres"}


def test_a_database_with_an_odd_name_is_saved_and_restored(base: Base) -> None:
    name = 'it\'s "a" shop$1 =x'
    quoted = '"' + name.replace('"', '""') + '"'
    base.sql(f"CREATE DATABASE {quoted} TEMPLATE template0", "postgres")
    base.sql("CREATE TABLE orders (item text, quantity int)", name)
    base.order(5, name)
    base.contained(name)
    path = base.db("backup", "--prove")["backup"]["path"]
    base.order(1, name)
    ended = base.restore(path, "--keep-running", name=name)
    assert (base.count(name), base.count(ended["aside"])) == (5, 6)
    for one in (name, ended["aside"]):
        base.drop(one)


@pytest.fixture
def by_dsn(base: Base) -> Iterator[dict[str, str]]:
    """PostgreSQL's programs on the host, and an address with a password; the environment to use it in."""
    programs = base.world.root / "programs"
    programs.mkdir(exist_ok=True)
    image = docker("inspect", "--format", "{{.Config.Image}}", base.container)
    for name in ("psql", "pg_dump", "pg_restore"):
        script = f"""#!/bin/sh
        for v in $(env | sed -n 's/^\\(PG[A-Z]*\\|LG_[A-Z]*\\)=.*/\\1/p'); do e="$e -e $v"; done
        exec docker run --rm -i --user 0 --network container:{base.container} $e \\
          -v {base.world.root}:{base.world.root} --entrypoint {name} {image} "$@"
        """
        (programs / name).write_text(script.replace("\n        ", "\n"))
        (programs / name).chmod(0o755)
    base.sql("DROP ROLE IF EXISTS careful; CREATE ROLE careful SUPERUSER LOGIN PASSWORD 'h''ush-hush'")
    hba = (
        'h=$(cat $PGDATA/pg_hba.conf); { echo "host all careful all scram-sha-256"; echo "$h"; } > $PGDATA/pg_hba.conf'
    )
    docker("exec", base.container, "sh", "-c", hba)
    base.sql("SELECT pg_reload_conf()")
    base.configure('{dsn: "env:SHOP_DSN"}')
    dsn = f"postgres://careful:{SECRET.replace(chr(39), '%27')}@127.0.0.1:5432/shop?sslmode=disable"
    yield {"SHOP_DSN": dsn, "PATH": f"{programs}:{base.world.env['PATH']}"}
    base.sql("DROP ROLE careful")


def test_over_a_dsn_everything_works_and_the_secret_is_in_no_command_line(base: Base, by_dsn: dict[str, str]) -> None:
    base.world.env.update(by_dsn)
    said = ""
    for words in (
        ("backup", API, ENV, "--prove"),
        ("restore", API, ENV, backup(base), "--yes", "--accept-loss", "shop"),
    ):
        done = base.crash("argv", "db", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        said += done.stdout + done.stderr + (base.world.root / "effects").read_text()
    assert base.count() == 3
    assert "pg_dump" in said or "psql" in said
    assert "ush-hush" not in said
    for path in [*base.folder.glob("*.json"), *base.folder.glob("*.checked")]:
        assert "ush-hush" not in path.read_text()
