from operating import edit
from shop import API, COMPOSE, ENV, Shop

from lastgood.model.errors import Exit
from sandbox.run import run

VALUES = 'pin: {kind: values, file: "envs/{env}/apps/{service}/values.yaml", key: image}'
VARIABLES = f"envs/{ENV}/apps/{API}/.env"


def deploys(shop: Shop, files: dict[str, str], message: str) -> None:
    """A team without deploy scripts: commit, pull on the server, `docker compose up`."""
    world = shop.world
    world.commit(files, message)
    run(["git", "-C", world.checkout, "pull", "-q", "--ff-only"], env=world.env)
    run(["docker", "compose", "--file", COMPOSE, "up", "--detach", "--quiet-pull"], cwd=world.checkout, env=world.env)


def pin_in_the_compose_file(shop: Shop, release: str) -> dict[str, str]:
    image = f"{shop.world.repository(API)}:{shop.tag(release)}"
    text = shop.world.show(COMPOSE, shop.world.log()[-1][0])
    text = text.replace("${IMAGE_REPOSITORY}:${IMAGE_TAG}", f'"{image}"   # CI writes this').replace(
        "${CONFIG_GREETING}", "hello"
    )
    return {COMPOSE: text}


def pin_in_an_env_file(shop: Shop, release: str) -> dict[str, str]:
    names = {"IMAGE_REPOSITORY": shop.world.repository(API), "IMAGE_TAG": shop.tag(release), "CONFIG_GREETING": "hello"}
    return {VARIABLES: "# CI writes the tag\n" + "".join(f"{name}='{value}'\n" for name, value in names.items())}


def test_a_pin_in_the_compose_file_is_rolled_back(shop: Shop) -> None:
    edit(shop, VALUES, f'pin: {{kind: compose, file: "{COMPOSE}", service: api}}')
    good = pin_in_the_compose_file(shop, "good-1")
    deploys(shop, good, "good-1")
    shop.world.wait_serving(API, shop.tag("good-1"))
    deploys(shop, pin_in_the_compose_file(shop, "http-500"), "http-500")
    shop.fails_with(500)
    shop.rollback(ends=Exit.DONE)
    assert shop.world.serving(API) == shop.tag("good-1")
    assert shop.runs("good-1")
    assert shop.world.show(COMPOSE) == good[COMPOSE]
    assert shop.changed() == [COMPOSE]


def test_a_pin_in_an_env_file_is_rolled_back(shop: Shop) -> None:
    edit(shop, VALUES, f'pin: {{kind: env-file, file: "{VARIABLES}"}}')
    good = pin_in_an_env_file(shop, "good-1")
    deploys(shop, good, "good-1")
    shop.world.wait_serving(API, shop.tag("good-1"))
    deploys(shop, pin_in_an_env_file(shop, "http-500"), "http-500")
    shop.fails_with(500)
    shop.rollback(ends=Exit.DONE)
    assert shop.world.serving(API) == shop.tag("good-1")
    assert shop.runs("good-1")
    assert shop.world.show(VARIABLES) == good[VARIABLES]
    assert shop.changed() == [VARIABLES]
