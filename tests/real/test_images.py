from shop import API, ENV, PIN, Shop

from lastgood.model.errors import Exit


def test_an_image_that_only_the_host_has_is_enough(shop: Shop) -> None:
    shop.ships("good-1", "http-500")
    shop.world.registry.stop()
    shop.rollback(ends=Exit.DONE)
    assert shop.serves("good-1")


def test_an_image_that_only_the_registry_has_is_pulled_by_digest(shop: Shop) -> None:
    shop.ships("good-1", "http-500")
    shop.forget("good-1")
    said = shop.does("plan", API, ENV)
    assert f"{shop.world.repository(API)}@{shop.digest('good-1')}" in " ".join(said["commands"]["1.pull.local"])
    shop.rollback(ends=Exit.DONE)
    assert shop.serves("good-1")


def test_a_release_whose_image_is_gone_is_skipped_with_the_reason(shop: Shop) -> None:
    shop.ships("good-1", "good-2", "http-500")
    shop.lose("good-2")
    said = shop.does("plan", API, ENV)
    (skipped,) = said["plan"]["skipped"]
    assert skipped["release"]["image"]["tag"] == shop.tag("good-2")
    assert "gone" in skipped["because"]
    shop.rollback(ends=Exit.DONE)
    assert shop.serves("good-1")


def test_an_image_that_is_gone_while_the_registry_is_down_is_not_called_gone(shop: Shop) -> None:
    shop.ships("good-1", "good-2", "http-500")
    shop.forget("good-2")
    shop.world.registry.stop()
    (skipped,) = shop.does("plan", API, ENV)["plan"]["skipped"]
    assert "gone" not in skipped["because"]
    assert "cannot be asked" in skipped["because"]


def test_a_tag_that_was_moved_does_not_decide_the_digest_that_ran_does(shop: Shop) -> None:
    shop.ships("good-1", "http-500")
    shop.world.registry.move(API, shop.tag("good-1"), "http-500-b")
    shop.rollback(ends=Exit.MITIGATED)
    assert shop.serves("good-1")


def test_a_tag_that_was_moved_stays_unsettled_until_git_pins_what_runs(shop: Shop) -> None:
    shop.ships("good-1", "http-500")
    shop.world.registry.move(API, shop.tag("good-1"), "http-500-b")
    shop.rollback(ends=Exit.MITIGATED)
    run, before = shop.latest_run(), shop.scene()
    shop.does("resume", run, ends=Exit.MITIGATED)
    shop.rollback(ends=Exit.MITIGATED)
    assert shop.scene() == before
    pin_the_digest(shop, "good-1")
    shop.does("resume", run)
    assert shop.serves("good-1")


def test_a_moved_tag_is_settled_at_once_where_the_digest_is_pinned(shop: Shop) -> None:
    shop.ships("good-1", "http-500")
    shop.world.registry.move(API, shop.tag("good-1"), "http-500-b")
    shop.rollback("--pin-digest", ends=Exit.DONE)
    assert shop.serves("good-1")
    assert f"  digest: {shop.digest('good-1')}\n" in shop.world.show(PIN)


def test_a_digest_that_was_verified_is_pulled_although_its_tag_was_moved(shop: Shop) -> None:
    shop.ships("good-1")
    shop.does("check", API, ENV)
    shop.ships("http-500")
    shop.forget("good-1")
    shop.world.registry.move(API, shop.tag("good-1"), "http-500-b")
    shop.rollback(ends=Exit.MITIGATED)
    assert shop.runs("good-1")
    shop.world.wait_serving(API, shop.tag("good-1"))


def pin_the_digest(shop: Shop, release: str) -> None:
    """A colleague pins the digest next to the tag, as the run advised."""
    tag = f"  tag: {shop.tag(release)}\n"
    text = shop.world.show(PIN)
    assert tag in text
    shop.world.commit({PIN: text.replace(tag, f"{tag}  digest: {shop.digest(release)}\n")}, "Pin the digest")
