"""What customers can do decides whether a release is good, and what its logs say after that is told."""

import signal
from collections.abc import Mapping

from operating import ROLLBACK, begin, journal, lease_file, lines
from shop import API, PIN, Shop

from lastgood.model.errors import Exit
from lastgood.model.release import Grade
from sandbox.run import docker, fetch

GREETS = """\
    flows:
      - name: order and see it
        kind: http
        base: "{url}"
        tries: 1
        steps:
          - {{post: /api/orders, json: {{item: "{item}", quantity: 1}}, expect: {{status: 201}}}}
          - {{get: /api/orders, expect: {{contains: "{item}", json: {{greeting: hello}}}}}}
    walk_back:"""
BREAKS = """\
    flows:
      - name: an order without an item is no order
        kind: http
        base: "{url}"
        steps: [{{post: /api/orders, json: {{quantity: 1}}, expect: {{status: 500}}}}]
    walk_back:"""
BREAKS_ANEW = """\
      - name: an order without a number is no order
        kind: http
        base: "{url}"
        steps: [{{post: /api/orders, json: {{item: tea}}, expect: {{status: 500}}}}]
    walk_back:"""


def flow(shop: Shop, text: str) -> None:
    shop.configure("    walk_back:", text.format(url=shop.world.url, item="tea"))


def finding(shop: Shop, on: Mapping[str, str] | None = None) -> str:
    """What the watch over the logs found, by the newest run's record on a machine."""
    record = journal((on or shop.world.env)["XDG_STATE_HOME"])
    watches = [line.event for line in record if line.kind == "step-done" and line.event["step"] == "1.watch"]
    return str(watches[-1]["seen"])


def points(shop: Shop) -> dict[str, str]:
    said = shop.does("checklist", ends=Exit.NEEDS_HUMAN)
    return {one["point"]["id"]: one["state"] for one in said["points"]}


def test_a_release_that_is_healthy_but_in_which_customers_cannot_buy_must_be_gone_back_beyond(shop: Shop) -> None:
    shop.ships("good-1")
    text = shop.world.show(PIN)
    changed = text.replace(shop.tag("good-1"), shop.tag("good-2")).replace("greeting: hello", "greeting: goodbye")
    shop.world.commit({PIN: changed}, f"{API}: release good-2 and say goodbye")
    shop.ships("http-500")
    flow(shop, GREETS)
    shop.rollback(ends=Exit.DONE)
    assert shop.serves("good-1")
    judged = shop.judgements()[shop.tag("good-2")]
    assert (judged.grade, judged.signature) == (Grade.BAD, "flow order and see it: GET /api/orders: json greeting")
    ordered = fetch("GET", f"{shop.world.url}/api/orders").body
    assert b'"item": "tea"' in ordered  # through the front door
    assert points(shop)["user-flows"] == "done"
    kept = [file["name"] for line in lines(shop) if line.kind == "kept" for file in line.event["files"]]
    assert "flow-2.verify-order-and-see-it.json" in kept


def test_new_error_messages_must_be_named_once_and_then_be_known_to_every_machine(shop: Shop) -> None:
    shop.ships("good-1", "http-500")
    flow(shop, BREAKS)
    shop.fails_with(500)
    shop.rollback(ends=Exit.DONE)
    assert shop.serves("good-1")
    assert "2 new error messages: KeyError: 'item' (1 x); a request was answered with 500" in finding(shop)
    assert points(shop)["logs-watched"] == "failed"
    shop.ships("http-500-b")
    shop.fails_with(500)
    shop.rollback(ends=Exit.DONE)
    assert shop.serves("good-1")
    assert finding(shop) == "logs read: no new error messages (what it showed earlier is known from this machine)"
    assert points(shop)["logs-watched"] == "done"
    flow(shop, BREAKS_ANEW)
    shop.ships("http-500")  # once more
    shop.fails_with(500)
    colleague = shop.another_machine()
    said = shop.rollback(ends=Exit.DONE, on=colleague)
    assert shop.serves("good-1")
    assert finding(shop, on=colleague) == (
        "logs read: 1 new error message: KeyError: 'quantity' (1 x)"
        " (what it showed earlier is known from local; 2 kinds of it from hosts alone)"
    )
    assert said["logs"] == [{"service": API, "new": 1, "before": ["local"], "hosts_alone": 2}]


def test_a_release_that_fails_while_its_logs_are_watched_must_not_be_called_good(shop: Shop) -> None:
    shop.configure("watch: 0s", "watch: 14s")
    shop.ships("good-1", "http-500")
    with begin(shop, *ROLLBACK) as session:
        session.begun("1.watch")
        (container,) = shop.running()
        docker("kill", "--signal", "STOP", container.container)  # it runs, and answers nobody any more
        ended = session.end()
    assert ended.code == Exit.NEEDS_HUMAN, ended.said
    assert "passed the gate, and does not any more" in ended.said
    assert shop.judgements()[shop.tag("good-1")].grade is Grade.INCONCLUSIVE
    assert shop.runs("good-1")
    assert shop.world.pinned(API) == shop.tag("good-1")  # git says what runs, good or not


def test_whoever_is_tired_of_watching_must_be_able_to_end_it_without_any_doubt(shop: Shop) -> None:
    shop.configure("watch: 0s", "watch: 600s")
    shop.ships("good-1", "http-500")
    shop.fails_with(500)
    with begin(shop, *ROLLBACK) as session:
        session.begun("1.watch")
        assert shop.serves("good-1")
        session.gets(signal.SIGINT)
        assert session.end().code == Exit.DONE
    assert points(shop)["logs-watched"] == "open"
    assert not lease_file(shop).exists()
