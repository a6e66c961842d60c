"""What HEALTHCHECKs and health pages say becomes a reason in plans, records and messages: no secret is in it."""

from unittest.mock import Mock

from lastgood.model.facts import Known, Unknown
from lastgood.model.observed import Container, HostView, Look, State
from lastgood.model.release import Image
from lastgood.observe.hosts import look_at, probe

SAID = "dial postgres://app:s3cret-7@db/x: refused, token=hunter2-99"
CLEAN = "dial postgres://app:<redacted>@db/x: refused, token=<redacted>"


def test_what_a_healthcheck_printed_is_seen_without_secrets() -> None:
    box = Container("api-1", "api", "x", "sha256:1", (), State.RUNNING, 0, "unhealthy", SAID)
    engine = Mock(read=lambda _: HostView(Known((box,)), Unknown("not asked")))
    engine.glance.return_value = engine.follow_up.return_value = ()
    view = look_at(Mock(), Mock(engine=engine), "local", "x", brief=True)
    assert isinstance(view.containers, Known)
    assert view.containers.value[0].health_log == CLEAN


def test_what_a_health_page_says_is_told_without_secrets() -> None:
    page = Mock(look=lambda *_: Look("page", ok=False, said=f"500: {SAID}", signature="http 500"))
    (look,) = probe(Mock(probes=(page,)), Image("x", "1"), ())
    assert (look.said, look.signature) == (f"500: {CLEAN}", "http 500")
