from shop import API, PIN, Shop

from lastgood.model.errors import Exit


def test_a_release_that_answers_500_is_replaced_by_the_last_good_one(shop: Shop) -> None:
    shop.ships("good-1", "good-2", "http-500")
    shop.fails_with(500)
    shop.rollback(ends=Exit.DONE)
    assert shop.serves("good-2")


def test_git_gets_one_fast_forward_commit_that_changes_nothing_but_the_tag(shop: Shop) -> None:
    *_, bad = shop.ships("good-1", "http-500")
    before, history = shop.world.show(PIN), shop.world.log()
    shop.rollback(ends=Exit.DONE)
    assert shop.world.log()[1:] == history
    assert shop.parents() == [bad.commit]
    assert shop.changed() == [PIN]
    assert shop.world.show(PIN) == before.replace(bad.tag, shop.tag("good-1"))


def test_the_commit_says_in_trailers_what_was_left_and_what_was_put_back(shop: Shop) -> None:
    shop.ships("good-1", "http-500")
    shop.fails_with(500)
    shop.rollback(ends=Exit.DONE)
    found = shop.trailers()
    (mark,) = found.pop("Lastgood-Journal")  # how far the record had come by then
    assert mark.startswith(f"{shop.latest_run()}/")
    assert found == {
        "Lastgood-Run": [shop.latest_run()],
        "Lastgood-From": [str(shop.image("http-500"))],
        "Lastgood-To": [str(shop.image("good-1"))],
        "Lastgood-Bad": [str(shop.image("http-500"))],
    }


def test_a_release_that_looked_healthy_is_left_on_request_and_not_called_bad(shop: Shop) -> None:
    shop.ships("good-1", "good-2")
    shop.rollback(ends=Exit.DONE)
    assert shop.serves("good-1")
    assert shop.trailers()["Lastgood-From"] == [str(shop.image("good-2"))]
    assert "Lastgood-Bad" not in shop.trailers()


def test_the_database_is_left_alone(shop: Shop) -> None:
    shop.ships("good-1", "http-500")
    before = shop.world.database.ids()
    shop.rollback(ends=Exit.DONE)
    assert shop.world.database.ids() == before


def test_the_next_deployment_from_git_keeps_the_last_good_release(shop: Shop) -> None:
    shop.ships("good-1", "http-500")
    shop.rollback(ends=Exit.DONE)
    shop.world.deploy(API)
    shop.world.wait_serving(API, shop.tag("good-1"))
    assert shop.serves("good-1")
