"""`lastgood.yaml` to targets: everything it leaves out is filled in by conventions that can be said aloud."""

from functools import partial
from typing import Final

import msgspec

from lastgood import catalog
from lastgood.catalog import Family
from lastgood.config.databases import check_database, database
from lastgood.config.document import Document, Memo, Place, parse
from lastgood.config.flows import flows
from lastgood.config.outside import Addressee, Called, addressees, contacts
from lastgood.config.rules import (
    check_absolute,
    check_branch,
    check_host,
    check_name,
    check_project,
    check_relative,
    check_source,
    filled,
)
from lastgood.config.schema import AdapterFile, EnvironmentFile, File, ServiceFile
from lastgood.config.telemetry import check_telemetry, watching
from lastgood.config.typed import nearest, typed
from lastgood.model.checklist import Point
from lastgood.model.errors import ConfigError, UsageError
from lastgood.model.target import Adapter, Cdn, GateSpec, Target, WalkBack, shown

DEFAULT_KINDS: Final[dict[Family, str]] = {"engines": "compose", "pins": "values", "registries": "oci"}
_PATHS: Final = frozenset({"file", "files", "env_file", "env_files"})


class Config:
    """A checked `lastgood.yaml`. `path` is how messages call the file, `file` its content as typed values."""

    def __init__(self, document: Document, file: File, *, scripted: bool) -> None:
        self.path = document.name
        self.file = file
        self.document = document
        self._scripted = scripted

    @property
    def apps(self) -> dict[str, tuple[str, ...]]:
        """The apps: sets of services that move together."""
        return self.file.apps

    @property
    def checklist(self) -> tuple[Point, ...]:
        """What has to be so around a rollback."""
        from lastgood.config.checklists import checklist

        return checklist(self.document, self.file.checklist)

    def envs(self, service: str) -> tuple[str, ...]:
        """The environments that a service exists in, in the file's order."""
        declared = self.file.services[service].envs
        return tuple(env for env in self.file.environments if declared is None or env in declared)

    def target(self, service: str, env: str, repo: str) -> Target:
        """One service in one environment, with `repo` as the operator's deploy repo.

        Raises UsageError, with the right order or the nearest name, where the file has no such pair.
        """
        self._known(service, env)
        where, what = self.file.environments[env], self.file.services[service]
        place: Place = ("services", service)
        names = {"env": env, "service": service}
        pin = self._adapter("pins", (*place, "pin"), what.pin, names)
        probes = tuple(
            self._adapter("probes", (*place, "probes", number), probe, names)
            for number, probe in enumerate(what.probes)
        )
        return Target(
            service=service,
            env=env,
            repo=repo,
            branch=where.branch,
            hosts=where.hosts,
            state=where.state,
            push=where.push,
            engine=self._adapter("engines", (*place, "engine"), self._engine(where, what), names),
            pin=pin,
            pin_file=msgspec.structs.asdict(pin.options)["file"],
            registry=self._adapter("registries", (*place, "registry"), what.registry, names),
            probes=probes,
            flows=flows(self.document, (*place, "flows"), what.flows, names),
            watch=what.logs.watch,
            gate=GateSpec(what.gate.passes, what.gate.interval, what.gate.window, what.gate.limit),
            walk_back=WalkBack(what.walk_back.releases, what.walk_back.time),
            checkout=where.checkout,
            untracked=what.untracked,
            short_lived=what.short_lived,
            order=where.order,
            unreachable=where.unreachable,
            forge=self._forge(names),
            telemetry=watching(self.document, self.file, names, self._adapter),
            database=database(where, what, names, partial(self._migrator, place, names)),
            cdn=self._cdn((*place, "cdn"), what.cdn, names, probes),
        )

    def _cdn(
        self, place: Place, raw: AdapterFile | None, names: dict[str, str], probes: tuple[Adapter, ...]
    ) -> Cdn | None:
        if raw is None:
            return None
        from lastgood.config.cdn import cdn

        given = {key: filled(self.document, (*place, key), value, names, release=False) for key, value in raw.items()}
        return cdn(self.document, place, given, probes, lambda own: self._adapter("caches", place, own, names))

    def _migrator(self, place: Place, names: dict[str, str], raw: AdapterFile) -> Adapter:
        return self._adapter("migrators", (*place, "database", "migrator"), raw, names)

    def _engine(self, where: EnvironmentFile, what: ServiceFile) -> AdapterFile:
        """The team's own deploy script where there is one, and a checkout to run it in; else Compose."""
        scripted = self._scripted and where.checkout and "kind" not in what.engine
        return {"kind": "script", **what.engine} if scripted else what.engine

    def _forge(self, names: dict[str, str]) -> Adapter | None:
        given = self.file.forge
        return self._adapter("forges", ("forge",), given, names) if given is not None else None

    def targets(self, repo: str) -> tuple[Target, ...]:
        """Every service in every environment that it exists in, in the file's order."""
        return tuple(self.target(service, env, repo) for service in self.file.services for env in self.envs(service))

    def addressees(self) -> tuple[Addressee, ...]:
        """The trackers and notifiers, in the file's order."""
        return addressees(self.document, self.file)

    def contacts(self) -> tuple[Called, ...]:
        """Whom to call where a run needs a person, in order."""
        return contacts(self.document, self.file)

    def explain(self, target: Target) -> tuple[tuple[str, str, str], ...]:
        """Each setting of a target: its name, its value, and where that is from (`default`, or file and place)."""
        from lastgood.config.explain import explain

        return explain(self.document, target)

    def _known(self, service: str, env: str) -> None:
        services, environments = tuple(self.file.services), tuple(self.file.environments)
        if service in environments and env in services:
            raise UsageError("The service comes before the environment.", next=(f"write it as: {env} {service}",))
        if service not in services:
            raise UsageError(f"There is no service {service!r} in {self.path}{nearest(service, services)}")
        if env not in environments:
            raise UsageError(f"There is no environment {env!r} in {self.path}{nearest(env, environments)}")
        if env not in self.envs(service):
            raise UsageError(f"{service} does not exist in {env}{nearest(env, self.envs(service))}")

    def _kind(self, family: Family, place: Place, raw: AdapterFile) -> str:
        kind = raw.get("kind", DEFAULT_KINDS.get(family))
        if not isinstance(kind, str):
            known = ", ".join(catalog.kinds(family))
            raise self.document.error(place, f"kind is missing or no text; one of: {known}")
        try:
            catalog.load(family, kind)
        except ConfigError as error:
            raise self.document.error((*place, "kind"), error.what, *error.because) from None
        return kind

    def _adapter(self, family: Family, place: Place, raw: AdapterFile, names: dict[str, str]) -> Adapter:
        kind = self._kind(family, place, raw)
        options = catalog.options(family, kind)
        given = _templates(options) | {key: value for key, value in raw.items() if key != "kind"}
        values = filled(self.document, place, given, names, release=family == "probes")
        made = typed(self.document, place, values, options)
        if family != "probes":
            self._check_texts(place, made)
        return Adapter(kind, made)

    def _check_texts(self, place: Place, options: msgspec.Struct) -> None:
        """Options that reach git and Compose: paths, under the names that families give them, and the project."""
        if "project" in options.__struct_fields__:
            check_project(self.document, (*place, "project"), msgspec.structs.asdict(options)["project"])
        for name in _PATHS.intersection(options.__struct_fields__):
            value = getattr(options, name)
            for path in (value,) if isinstance(value, str) else value or ():
                check_relative(self.document, (*place, name), path)


def load(text: bytes, path: str, memo: Memo | None = None, *, scripted: bool = False) -> Config:
    """Read and check the whole of a `lastgood.yaml`; `path` is its name in messages.

    `scripted` says that the deploy repo holds the deploy script, which then is the engine unless the file says else.

    Raises ConfigError, with line and place inside the file, for anything in it that is not understood.
    """
    document = parse(text, path, memo)
    config = Config(document, typed(document, (), document.value, File), scripted=scripted)
    _check_environments(document, config.file.environments)
    _check_services(document, config.file)
    _check_apps(document, config.file)
    check_telemetry(document, config.file)
    _ = config.checklist if document.has(("checklist",)) else ()
    for service in config.file.services:
        config.target(service, config.envs(service)[0], "")
    config.contacts()
    if config.file.browser.chromium:
        check_absolute(document, ("browser", "chromium"), config.file.browser.chromium)
    return config


def _templates(options: type[msgspec.Struct]) -> dict[str, str]:
    """A kind's own defaults that hold placeholders: they are filled in as if the file had given them."""
    defaults = {field.encode_name: field.default for field in msgspec.structs.fields(options)}
    return {name: text for name, text in defaults.items() if isinstance(text, str) and "{" in text}


def _check_environments(document: Document, environments: dict[str, EnvironmentFile]) -> None:
    if not environments:
        raise document.error(("environments",), "name at least one environment")
    for name, environment in environments.items():
        place: Place = ("environments", name)
        check_name(document, place, name)
        for number, host in enumerate(environment.hosts):
            check_host(document, (*place, "hosts", number), host)
        _check_once(document, (*place, "hosts"), tuple(shown(host) for host in environment.hosts))
        check_branch(document, (*place, "branch"), environment.branch)
        check_absolute(document, (*place, "state"), environment.state)
        if environment.checkout:
            check_absolute(document, (*place, "checkout"), environment.checkout)


def _check_services(document: Document, file: File) -> None:
    if not file.services:
        raise document.error(("services",), "name at least one service")
    for name, service in file.services.items():
        place: Place = ("services", name)
        check_name(document, place, name)
        for number, path in enumerate(service.untracked):
            check_relative(document, (*place, "untracked", number), path)
        check_source(document, place, service.source)
        check_database(document, (*place, "database"), service.database)
        envs = service.envs or ()
        for env in _without_checkout(file, service) if service.untracked else ():
            raise document.error((*place, "untracked"), f"environment {env} names no checkout to take these files from")
        _check_known(document, (*place, "envs"), envs, tuple(file.environments), "environment")
        _check_once(document, (*place, "envs"), envs)


def _without_checkout(file: File, service: ServiceFile) -> list[str]:
    return [name for name, each in file.environments.items() if name in (service.envs or (name,)) and not each.checkout]


def _check_apps(document: Document, file: File) -> None:
    for name, services in file.apps.items():
        place: Place = ("apps", name)
        check_name(document, place, name)
        if name in file.services:
            raise document.error(place, "an app must not be called like a service: a command could mean either")
        if not services:
            raise document.error(place, "name at least one service")
        _check_known(document, place, services, tuple(file.services), "service")
        _check_once(document, place, services)


def _check_known(document: Document, place: Place, names: tuple[str, ...], known: tuple[str, ...], what: str) -> None:
    for number, name in enumerate(names):
        if name not in known:
            raise document.error((*place, number), f"there is no {what} {name!r}{nearest(name, known)}")


def _check_once(document: Document, place: Place, names: tuple[str, ...]) -> None:
    for number, name in enumerate(names):
        if name in names[:number]:
            raise document.error((*place, number), f"{name} stands here twice")
