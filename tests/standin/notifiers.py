"""Stand-ins for what is told: bots that answer 200 and refuse, an Apprise server, an Alertmanager, a plain sink."""

import base64
import hashlib
import hmac
import uuid
from datetime import UTC, datetime, timedelta

from tests.standin.services import Answer, Asked, Json, Service

SIGNING = "SEC0signing"


class Sink(Service):
    """Takes JSON; the same `Idempotency-Key` is taken once, as the header's draft (IETF) has it."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: dict[str, Asked] = {}

    def answer(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != f"Bearer {self.TOKEN}" and asked.method != "HEAD":
            return Answer(401, {"error": f"no: {asked.headers.get('authorization')}"})
        if asked.method == "POST":
            self.taken.setdefault(asked.headers["idempotency-key"], asked)
        return Answer(204)

    def told(self) -> list[str]:
        return [asked.body.decode() for asked in self.taken.values()]


class Bot(Service):
    """A group bot: whatever happens, the status is 200."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.group: list[str] = []
        self.refuses: int = 0

    def answer(self, asked: Asked) -> Answer:
        name, said = ("code", "msg") if self.kind == "feishu" else ("errcode", "errmsg")
        if self.refuses:
            return Answer(200, {name: self.refuses, said: f"sign match fail for {asked.path}"})
        if not getattr(self, f"_{self.kind}")(asked):
            return Answer(200, {name: 19021 if self.kind == "feishu" else 310000, said: "sign match fail"})
        return Answer(200, {name: 0, said: "ok"})

    def _feishu(self, asked: Asked) -> bool:
        given = asked.json
        key = f"{given['timestamp']}\n{SIGNING}".encode()
        signed = base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()
        if (
            asked.path != f"/open-apis/bot/v2/hook/{self.TOKEN}"
            or given["sign"] != signed
            or given["msg_type"] != "text"
        ):
            return False
        self.group.append(given["content"]["text"])
        return len(asked.body) <= 20_000

    def _dingtalk(self, asked: Asked) -> bool:
        moment = asked.query["timestamp"]
        made = hmac.new(SIGNING.encode(), f"{moment}\n{SIGNING}".encode(), hashlib.sha256).digest()
        given = asked.json
        if asked.query["access_token"] != self.TOKEN or asked.query["sign"] != base64.b64encode(made).decode():
            return False
        assert given["at"] == {"isAtAll": False}
        self.group.append(given["text"]["content"])
        return len(moment) == 13 and len(asked.body) <= 20_000

    def _wecom(self, asked: Asked) -> bool:
        text = asked.json["text"]
        if asked.query["key"] != self.TOKEN or set(text) != {"content"} or len(text["content"].encode()) > 2048:
            return False
        self.group.append(text["content"])
        return True

    def told(self) -> list[str]:
        return self.group


class AppriseApi(Service):
    """An Apprise API server with the key `ops`, whose services have the tag `oncall`."""

    def __init__(self) -> None:
        super().__init__()
        self.notified: list[Json] = []
        self.partly = False

    def answer(self, asked: Asked) -> Answer:
        kind, _, key = asked.path.strip("/").rpartition("/")
        if key != self.TOKEN:
            return Answer(204)
        if kind == "json/urls":
            assert asked.query == {"privacy": "1"}
            return Answer(200, {"tags": ["oncall"], "urls": [{"url": "slack://****", "tags": ["oncall"]}]})
        if asked.json.get("tag", "oncall") != "oncall":
            return Answer(424, {"error": "One or more notification could not be sent."})
        self.notified.append(asked.json)
        return Answer(424, {"error": "One or more notification could not be sent."}) if self.partly else Answer(200, {})

    def told(self) -> list[str]:
        return [f"{one['title']}\n{one['body']}" for one in self.notified]


class Silences(Service):
    """Alertmanager's silences: no empty matchers, no end in the past, deleting twice is fine; they end by themselves.

    Only with its start and its matchers does a silence that is posted again keep its id. `by` moves its clock.
    """

    def __init__(self, now: datetime | None = None) -> None:
        super().__init__()
        self._fixed = now
        self.by = timedelta()
        self.open = False
        """Whether it asks for no token, as a real one does not by itself."""
        self.made: dict[str, Json] = {}

    @property
    def now(self) -> datetime:
        return (self._fixed or datetime.now(UTC)) + self.by

    def clock(self) -> float:
        return self.now.timestamp()

    def answer(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != f"Bearer {self.TOKEN}" and not self.open:
            return Answer(401, b"Unauthorized")
        if asked.path == "/api/v2/silences" and asked.method == "GET" and not asked.query:
            return Answer(200, [self._seen(one) for one in self.made.values()])
        if asked.path == "/api/v2/silences" and asked.method == "GET":
            name, _, value = asked.query["filter"].partition("=")
            wanted = {"name": name, "value": value.strip('"'), "isRegex": False, "isEqual": True}
            return Answer(200, [self._seen(one) for one in self.made.values() if wanted in one["matchers"]])
        if asked.path == "/api/v2/silences":
            return self._create(asked.json)
        number = asked.path.rpartition("/")[2]
        if number not in self.made:
            return Answer(500, "silence not found")  # 404 from 0.26 on
        if self.made[number] in self.active():
            self.made[number]["endsAt"] = self.now.isoformat()
        return Answer(200)

    def _create(self, given: Json) -> Answer:
        equal = [one for one in given["matchers"] if one["isEqual"] and not one["isRegex"] and one["value"]]
        if not equal or "comment" not in given:
            return Answer(422, {"code": 612, "message": "matchers in body should have at least 1 items"})
        begins, ends = datetime.fromisoformat(given["startsAt"]), datetime.fromisoformat(given["endsAt"])
        if begins >= ends:
            return Answer(400, "Failed to create silence: start time must be before end time")
        if ends <= self.now:
            return Answer(400, "Failed to create silence: end time can't be in the past")
        old = self.made.get(given.get("id", ""))
        if old is None and "id" in given:
            return Answer(404, "silence not found")
        if old and old in self.active():
            if (old["matchers"], _second(old["startsAt"])) == (given["matchers"], _second(given["startsAt"])):
                old |= given
                return Answer(200, {"silenceID": old["id"]})
            old["endsAt"] = self.now.isoformat()
        number = str(uuid.uuid4())
        self.made[number] = given | {"id": number, "startsAt": max(begins, self.now).isoformat(timespec="milliseconds")}
        return Answer(200, {"silenceID": number})

    def _seen(self, one: Json) -> Json:
        return one | {"status": {"state": "active" if one in self.active() else "expired"}, "updatedAt": one["endsAt"]}

    def active(self) -> list[Json]:
        return [one for one in self.made.values() if datetime.fromisoformat(one["endsAt"]) > self.now]

    def told(self) -> list[str]:
        return [one["comment"] for one in self.active()]


def _second(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp())
