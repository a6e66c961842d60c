"""What `lastgood init` proposes for deploy repos of several layouts; every proposal must load as it stands."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lastgood import catalog
from lastgood.config.detect import propose
from lastgood.config.draft import Proposal
from lastgood.config.load import Config, load
from lastgood.model.release import Image
from lastgood.model.target import Target

VALUES = "# who runs\nreplicas: 2\nimage:\n  repository: ghcr.io/shop/{0}\n  tag: sha-1234567\n"
COMPOSE = """
services:
  api:
    image: ${IMAGE_REPOSITORY}:${IMAGE_TAG}
    ports: ["127.0.0.1:8081:8080"]
    healthcheck: {test: [CMD, "true"]}
  db:
    image: postgres:16
    ports: ["5432"]
"""


def proposed(files: dict[str, str | bytes]) -> tuple[Proposal, Config]:
    contents = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
    proposal = propose(tuple(contents), contents.get)
    return proposal, load(proposal.text.encode(), "lastgood.yaml")


def pinned(target: Target, files: dict[str, str | bytes]) -> Image:
    """The image that the proposed pin reads in the file that it names."""
    text = files[target.pin_file]
    return catalog.pin(target.pin).read(text.encode() if isinstance(text, str) else text)


PLACES = ("prod/apps/api", "prod/apps/web", "dev/apps/api", "dev/apps/web")
REFERENCE: dict[str, str | bytes] = {
    "README.md": "",
    "scripts/compose/deploy-service.sh": "",
    **{f"envs/{place}/values.yaml": VALUES.format(place[-3:]) for place in PLACES},
    **{f"envs/{place}/compose.yaml": COMPOSE for place in PLACES},
}


def test_the_reference_layout_must_need_no_settings() -> None:
    proposal, config = proposed(REFERENCE)
    assert [target.name for target in config.targets("/r")] == ["api/dev", "api/prod", "web/dev", "web/prod"]
    assert all(pinned(target, REFERENCE).tag == "sha-1234567" for target in config.targets("/r"))
    assert {where for _, _, where in config.explain(config.targets("/r")[0])} == {
        "default",
        "lastgood.yaml $.environments.dev.hosts",
        "lastgood.yaml $.services.api.probes",
    }
    assert '# for example: [{kind: http, url: "http://127.0.0.1:8081/"' in proposal.text
    where = "envs/dev/apps/api/values.yaml, envs/prod/apps/api/values.yaml"
    assert f"api: its image is pinned in {where}." in proposal.notes
    assert any("deploy scripts are not called" in note for note in proposal.notes)
    assert not any("HEALTHCHECK" in note for note in proposal.notes)


def test_the_example_probe_must_load_when_the_reader_puts_it_in_place() -> None:
    proposal, _ = proposed(REFERENCE)
    config = load(proposal.text.replace("[]  # for example: ", "").encode(), "lastgood.yaml")
    assert [probe.kind for probe in config.targets("/r")[0].probes] == ["http"]


def test_a_service_of_one_environment_must_say_so() -> None:
    files = {path: text for path, text in REFERENCE.items() if path != "envs/dev/apps/web/values.yaml"}
    files.pop("envs/dev/apps/web/compose.yaml")
    _, config = proposed(files)
    assert [target.name for target in config.targets("/r")] == ["api/dev", "api/prod", "web/prod"]


def test_an_image_deeper_in_the_values_must_be_found() -> None:
    files: dict[str, str | bytes] = {
        "envs/prod/apps/api/values.yaml": "app:\n  image: {repository: r.io/a, tag: v1}\n",
        "envs/prod/apps/api/docker-compose.yml": COMPOSE,
        "envs/prod/apps/web/values.yaml": "image: r.io/web:v2\n",
    }
    proposal, config = proposed(files)
    api, web = config.targets("/r")
    assert (pinned(api, files), pinned(web, files)) == (Image("r.io/a", "v1"), Image("r.io/web", "v2"))
    engine = {row[0]: row[1] for row in config.explain(api)}
    assert engine["engine.file"] == "envs/prod/apps/api/docker-compose.yml"
    assert "web: no Compose file was found beside its pin; say where it is." in proposal.notes


def test_a_single_compose_file_must_be_pinned_by_its_images() -> None:
    files: dict[str, str | bytes] = {
        "compose.yaml": "name: shop\nservices:\n  api: {image: 'ghcr.io/shop/api:v3', ports: ['8080:80']}\n"
        "  web: {image: ghcr.io/shop/web:v2, ports: [{published: 8081, target: 80}]}\n"
        "  db: {image: 'postgres:16'}\n  job: {image: 'ghcr.io/shop/job:latest'}\n  own: {build: .}\n"
    }
    proposal, config = proposed(files)
    api, web = config.targets("/r")
    assert (api.name, web.name) == ("api/prod", "web/prod")
    assert (pinned(api, files).tag, pinned(web, files).tag) == ("v3", "v2")
    assert ("engine.project", "shop") in [row[:2] for row in config.explain(api)]
    assert "http://127.0.0.1:8080/" in proposal.text
    assert "http://127.0.0.1:8081/" in proposal.text
    told = " ".join(proposal.notes)
    assert "db (postgres:16) looks like infrastructure" in told
    assert "job (ghcr.io/shop/job:latest) is not pinned" in told
    assert "its environment was called prod" in told
    assert "api: no HEALTHCHECK in its Compose file" in told


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ("API_IMAGE=ghcr.io/shop/api:v1\nDEBUG=1\n", Image("ghcr.io/shop/api", "v1")),
        ("API_REPOSITORY=ghcr.io/shop/api\nAPI_TAG=v1\n", Image("ghcr.io/shop/api", "v1")),
        ("export API_IMAGE='ghcr.io/shop/api:v1'\n", Image("ghcr.io/shop/api", "v1")),
    ],
)
def test_images_in_an_env_file_must_be_found(variables: str, expected: Image) -> None:
    files: dict[str, str | bytes] = {"compose.yaml": "services: {api: {image: '${API_IMAGE}'}}\n", ".env": variables}
    _, config = proposed(files)
    (target,) = config.targets("/r")
    assert (target.name, target.pin.kind, target.pin_file) == ("api/prod", "env-file", ".env")
    assert pinned(target, files) == expected


def test_one_folder_per_service_must_become_one_service_each() -> None:
    files: dict[str, str | bytes] = {
        f"environments/{env}/{name}/compose.yml": f"services: {{app: {{image: 'r.io/{name}:1'}}}}\n"
        for env in ("prod", "test")
        for name in ("api", "web")
    }
    _, config = proposed(files)
    assert [target.name for target in config.targets("/r")] == ["api/prod", "api/test", "web/prod", "web/test"]
    assert [pinned(target, files).repository for target in config.targets("/r")] == [
        "r.io/api",
        "r.io/api",
        "r.io/web",
        "r.io/web",
    ]


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"README.md": "hello", "main.py": "x"},
        {"compose.yaml": "services: {a: {build: .}}\n"},
        {"compose.yaml": "services: {a: {image: 'r/a:${TAG}'}}\n", ".env": "TAG=v1\n"},
        {"compose.yaml": "a: [\n"},
        {"compose.yaml": b"\xff\xfe\x00"},
        {"compose.yaml": "services: 1\n"},
        {"envs/prod/apps/api/values.yaml": "replicas: 1\n"},
    ],
)
def test_nothing_found_must_be_said_and_leave_an_example(files: dict[str, str | bytes]) -> None:
    proposal, config = proposed(files)
    assert "FILL IN: nothing was found" in proposal.text
    assert proposal.notes[0].startswith("Nothing was found")
    assert [target.name for target in config.targets("/r")] == ["my-service/prod"]
    if files and "README.md" not in files:
        assert len(proposal.notes) > 1


def test_hostile_paths_and_names_must_be_left_out_and_said_harmlessly() -> None:
    proposal, config = proposed(
        {
            "envs/prod/apps/--force/values.yaml": VALUES.format("x"),
            "envs/$(x)/apps/api/values.yaml": VALUES.format("x"),
            "envs/prod/apps/{tag}/values.yaml": VALUES.format("x"),
            "envs/prod/apps/a\nb/values.yaml": VALUES.format("x"),
            "../envs/prod/apps/up/values.yaml": VALUES.format("x"),
            "-x/compose.yaml": "services: {a: {image: 'r/a:1'}}\n",
            "ok/compose.yaml": "name: '$(x)'\nservices: {\"\\e[2J\": {image: 'r/a:1'}, b: {image: \"r/b\\e[2J:1\"}}\n",
        }
    )
    assert [target.name for target in config.targets("/r")] == ["my-service/prod"]
    assert all(note.isprintable() for note in proposal.notes)
    assert "\x1b" not in proposal.text


@pytest.mark.parametrize(
    ("path", "project"),
    [
        ("envs/prod/apps/Shop.API/compose.yaml", "shopapi"),
        ("My Shop/compose.yaml", "myshop"),
        ("shop/compose.yaml", "shop"),
    ],
)
def test_the_project_must_be_the_one_that_compose_derives_from_the_folder(path: str, project: str) -> None:
    _, config = proposed({path: "services: {api: {image: 'r.io/a:1'}, web: {image: 'r.io/b:1'}}\n"})
    for target in config.targets("/r"):
        assert ("engine.project", project) in [row[:2] for row in config.explain(target)]


def test_two_places_with_one_name_must_be_said() -> None:
    compose = "services: {app: {image: 'r.io/app:1'}}\n"
    proposal, config = proposed({"a/api/compose.yaml": compose, "b/api/compose.yaml": compose})
    assert [target.pin_file for target in config.targets("/r")] == ["a/api/compose.yaml"]
    assert any("there is a api/prod already" in note for note in proposal.notes)


NAMES = st.text("aB-._{}$_ é\n*&'\"#:", min_size=1, max_size=6)


@settings(deadline=None)  # a loaded machine is no failure
@given(
    st.dictionaries(
        st.one_of(
            st.builds("envs/{}/apps/{}/values.yaml".format, NAMES, NAMES),
            st.builds("{}/compose.yaml".format, NAMES),
            st.builds("{}/.env".format, NAMES),
        ),
        st.one_of(
            st.just(VALUES),
            st.builds(lambda name: json.dumps({"name": name, "services": {name: {"image": "r.io/x:1"}}}), NAMES),
            st.builds("{}_IMAGE=r.io/x:1\n".format, NAMES),
            st.text(max_size=30),
        ),
        max_size=5,
    )
)
def test_a_proposal_must_load_whatever_the_repo_holds(files: dict[str, str]) -> None:
    proposal, config = proposed(dict(files))
    assert config.targets("/r")
    assert all(note.isprintable() for note in proposal.notes)
