"""What looks like a credential by itself, without being known: names with values, headers, URLs, keys by their form.

Forms of tokens are those that their issuers tell for secret scanning. A pattern names what it looks for: one that
takes any name and is asked afterwards has read past the secret that stands in the value. Lengths are bounded, so that
hostile output (a thousand BEGIN lines without an END) costs no more than its length.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from lastgood.model.secretive import ENDINGS, MASK, WORDS, looks_secret


class Look(NamedTuple):
    """A kind of credential. The group `secret` is what is masked, the group `name` what it is called, where it is.

    None of it is in a text that, in lower case, has none of `signs`. Where case does not matter, the pattern is looked
    for in the text in lower case: that is many times as fast as to have the pattern ignore it. Patterns are compiled
    when they are needed: all of them together take as long as a command has to start.
    """

    kind: str
    signs: tuple[bytes, ...]
    pattern: bytes
    cased: bool = False


_COLOUR = r"(?:\x1b\[[0-9;]{0,12}m){0,3}"  # ECMA-48 SGR: loggers colour names
_NAME = rf"(?P<name>(?:{WORDS})[\w.-]{{0,64}}+|(?<![a-z0-9])(?:{ENDINGS}))"
_LINE = rf"^[ \t]{{0,40}}(?:- )?[\w.-]{{0,64}}?{_NAME}[\"']?[ \t]{{0,4}}:"
_QUOTED = r"\"(?:[^\"\\\r\n]|\\.){4,}\"|'[^'\r\n]{4,}'|\\\"[^\"\\\r\n]{4,}\\\"|\[[^\]\r\n]{4,4000}\]"
_WORD = r"\"[^\"\r\n]+\"|'[^'\r\n]+'|[^\s\"'-][^\s\"']*"
_BARE = r"[^\s\"',;&<>\[{\\][^\s\"',;&<>\\]{3,}"
_MIXED = r"(?=[^\s\"',;&<>]{0,200}[0-9])[^\s\"',;&<>]{6,}"
_SIGNS: Final = tuple(b"pass pwd secret token cred private cookie salt bearer key dsn auth".split())
_LOGIN: Final = "login on a command line"
_HOOK: Final = "address of a webhook"
_URL: Final = "password in a URL"


def _look(kind: str, signs: str, pattern: str, *, cased: bool = False) -> Look:
    return Look(kind, tuple(signs.encode().split()), pattern.encode(), cased)


def _named(pattern: str, *, cased: bool = False) -> Look:
    return Look("value of a secret name", _SIGNS, pattern.encode(), cased)


LOOKS: Final[tuple[Look, ...]] = (
    _look(
        "private key",
        "-----begin",
        r"(?P<secret>-----begin [a-z0-9 ]{0,40}private key(?: block)?-----"
        r"(?s:.{0,16384}?-----end [a-z0-9 ]{0,40}private key(?: block)?-----|.{0,16384}))",
    ),
    _look("private key", "age-secret-key-1", r"(?P<secret>age-secret-key-1[a-z0-9]{20,})"),
    _look(
        "authorization header",
        "authorization",
        r"authorization[\"']?\s{0,4}[:=]\s{0,4}\[?[\"']?(?P<secret>[^\r\n\"']+)",
    ),
    _look("bearer token", "bearer", r"\bbearer\s{1,4}(?P<secret>[\w.~+/=-]{8,})"),
    _look(
        "authorization header", "basic", r"\bbasic\s{1,4}(?P<secret>(?=[a-z0-9+/]{0,400}[0-9=])[a-z0-9+/]{8,}={0,2})"
    ),
    _look("cookie", "cookie", r"\b(?:set-)?cookie[\"']?\s{0,4}:\s{0,4}\[?[\"']?(?P<secret>[^\r\n\"']+)"),
    _look(
        "AWS key",
        "akia asia agpa aida aroa anpa",
        r"\b(?P<secret>(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA)[A-Z0-9]{16})\b",
        cased=True,
    ),
    _look(
        "GitHub token",
        "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_",
        r"(?P<secret>\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}))",
        cased=True,
    ),
    _look(
        "service token",
        "glpat- gldt- glrt- xox xapp- k_live_ k_test_ whsec_ npm_ pypi- dckr_ dop_v1_ hvs. hvb. shp ya29."
        " lin_api_ figd_",
        r"(?<![A-Za-z0-9])(?P<secret>(?:glpat-|gldt-|glrt-|xox[abeoprs]-|xapp-|[rs]k_(?:live|test)_|whsec_|npm_|pypi-"
        r"|dckr_[op]at_|dop_v1_|hv[sb]\.|shp(?:at|ca|pa|ss)_|ya29\.|lin_api_|figd_)[\w.=-]{16,})",
        cased=True,
    ),
    _look(
        "service token",
        "sk- sg. hf_ tk_ key- aiza sk",
        r"(?<![A-Za-z0-9])(?P<secret>sk-(?=[\w-]{0,200}[0-9])(?=[\w-]{0,200}[A-Z])[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,}"
        r"|hf_[A-Za-z0-9]{30,}|tk_[0-9a-f]{32,}|key-[0-9a-f]{32}|AIza[\w-]{35}|SK[0-9a-f]{32})",
        cased=True,
    ),
    _look(
        "service token",
        "glsa_ glc_ gocspx- sntrys_ sntryu_ atatt3 atctt3 atbb tskey- pscale_ nrak- doo_v1_ dor_v1_ glptt- glft-"
        " glsoat- glcbt- glimt- glagent- gloas- .atlasv1.",
        r"(?<![A-Za-z0-9])(?P<secret>(?:glsa_|glc_|GOCSPX-|sntry[su]_|AT[AC]TT3|ATBB|tskey-[a-z]{2,12}-|pscale_[a-z]{2,6}_"
        r"|NRAK-|do[or]_v1_|gl(?:ptt|ft|soat|cbt|imt|agent|oas)-)[\w.=-]{16,}|[A-Za-z0-9]{14}\.atlasv1\.[\w-]{40,})",
        cased=True,
    ),
    _look("JSON web token", "eyj", r"(?P<secret>\beyJ[\w-]{8,}\.[\w-]{4,}\.[\w-]*)", cased=True),
    _look("password hash", "$2 $a $1 $5 $6 $y", r"(?P<secret>\$(?:2[aby]|argon2\w{1,2}|[156y])\$[^\s:\"']{8,})"),
    _look("bot token", ":aa", r"\b(?P<secret>[0-9]{8,10}:AA[\w-]{32,})", cased=True),
    _look(_URL, "://", r"://[^\s/?#:@\"']{0,200}:(?P<secret>[^\s/?#\"']{1,500})@"),
    _look(_URL, "://", r"://(?P<secret>(?=[^\s/?#:@\"']{0,400}[0-9])[^\s/?#:@\"']{16,500})@"),
    _look(_URL, "%3a%2f%2f", r"%3a%2f%2f[^\s%]{0,200}%3a(?P<secret>[^\s\"']{1,500}?)%40"),
    _look(_URL, "@tcp( @udp( @unix(", r"\b[\w.-]{1,80}:(?P<secret>[^\s/\"']{1,200})@(?:tcp|udp|unix)\("),
    _look(
        _HOOK,
        "hooks. /webhooks/ /hook/ .webhook.office.com/ chat.googleapis.com/ /bot",
        r"(?:hooks\.slack\.com/(?:services|workflows|triggers)/|discord(?:app)?\.com/api/webhooks/"
        r"|/open-apis/bot/v2/hook/|\.webhook\.office\.com/|hooks\.zapier\.com/hooks/|chat\.googleapis\.com/v1/spaces/"
        r"|/bot(?=[0-9]{6,12}:))(?P<secret>[^\s\"'<>)]{4,})",
    ),
    _look(  # Apprise, https://github.com/caronc/apprise/wiki: of such an address all is credentials
        _HOOK,
        "tgram:// slack:// discord:// msteams:// feishu:// lark:// dingtalk:// wecombot:// gotify gchat:// pover://",
        r"\b(?:tgram|slack|discord|msteams|feishu|lark|dingtalk|wecombot|gotifys?|gchat|pover)://"
        r"(?P<secret>[^\s\"'<>]{4,})",
    ),
    _look(
        "signature in a URL",
        "= code= sig ticket= assertion= otp= session= sid=",
        r"[?&;](?:[\w-]{0,20}signature|sig|code|ticket|assertion|otp|session|sid)=(?P<secret>[^\s&\"'<>#]{4,})",
    ),
    _look(
        _LOGIN,
        "redis-cli valkey-cli keydb-cli",
        rf"\b(?:redis|valkey|keydb)-cli\b[^\r\n|;&]{{0,200}}?\s(?:-a|--pass)[ =]{{1,4}}(?P<secret>{_WORD})",
    ),
    _look(_LOGIN, "sshpass", rf"\bsshpass\s{{1,4}}-p\s{{0,4}}(?P<secret>{_WORD})"),
    _look(
        _LOGIN,
        "login",
        r"\b(?:docker|podman|nerdctl|buildah|helm|oras|crane|skopeo|az)\b[^\r\n|;&]{0,100}?\blogin\b"
        rf"[^\r\n|;&]{{0,200}}?\s-p[ =]?(?P<secret>{_WORD})",
    ),
    _look(_LOGIN, "mysql mariadb", rf"\b(?:mysql|mariadb)[\w-]{{0,20}}\b[^\r\n|;&]{{0,200}}?\s-p(?P<secret>{_WORD})"),
    _look(
        _LOGIN,
        "curl",
        r"\bcurl\b[^\r\n|;]{0,160}?\s(?:(?:-u|--user|--proxy-user)[ =]?[\"']?[^\s:\"']{0,80}:|-b[ =]?[\"']?)"
        r"(?P<secret>[^\s\"']+)",
    ),
    _look(  # PostgreSQL's password file, https://www.postgresql.org/docs/current/libpq-pgpass.html
        "login of a database",
        ":5432: :6432: :*:",
        r"^[\w.*-]{1,80}:(?:[56]432|\*):[^:\s]{1,80}:[^:\s]{1,80}:(?P<secret>[^\s:]{4,})$",
    ),
    _look(
        "password in SQL",
        "password identified",
        r"\b(?:password|identified\s{1,4}by)\s{1,4}(?P<secret>'(?:[^'\r\n]|'')+')",
    ),
    _look(
        "password in words",
        "password passwd passphrase",
        rf"\b(?:password|passwd|passphrase)\s{{1,4}}(?:is\s{{1,4}}|was\s{{1,4}})?(?P<secret>{_MIXED})",
    ),
    # With a colon where it is YAML or JSON, or the value is one word with a digit: `DB_PASSWORD: required` inside a log
    # line is a diagnosis, and `auth:sha-1a2b3c` may be an image.
    _named(rf"^(?:export[ \t]{{1,4}}|- )?[\w.-]{{0,64}}?{_NAME}=(?P<secret>[^\s\"'][^\r\n]{{3,}})"),
    _named(
        rf"{_NAME}{_COLOUR}(?:\\?[\"'])?{_COLOUR}[ \t]{{0,4}}(?::=|=>|=(?!=)){_COLOUR}[ \t]{{0,4}}{_COLOUR}"
        rf"(?P<secret>{_QUOTED}|{_BARE})"
    ),
    _named(
        rf"{_NAME}\\?[\"'][ \t]{{0,4}}:[ \t]{{0,4}}"
        rf"(?P<secret>{_QUOTED}|{_MIXED}|{_BARE}(?=[ \t]{{0,4}}(?:[,}}\]\r\n]|$)))"
    ),
    _named(rf"{_LINE}[ \t]{{1,4}}(?P<secret>{_QUOTED}|{_MIXED}|{_BARE}(?=[ \t]{{0,80}}(?:#|\r|$)))"),
    _named(
        rf"{_LINE}[ \t]{{1,4}}[|>][-+0-9]{{0,3}}[ \t]{{0,4}}\r?\n"
        r"(?P<secret>(?:[ \t]{1,80}[^\r\n]{0,400}\r?\n?){1,100})"
    ),
    _named(rf"{_LINE}[ \t]{{0,4}}\r?\n[ \t]{{1,80}}(?!- )(?P<secret>[^\s:#][^:\r\n]{{3,400}})$"),
    _named(
        rf"{_NAME}{_COLOUR}[ \t]{{0,4}}:{_COLOUR}[ \t]{{1,4}}{_COLOUR}"
        rf"(?P<secret>\"[^\"\s]{{4,}}\"|'[^'\s]{{4,}}'|{_MIXED})"
    ),
    _named(  # as Go prints a struct
        r"(?<=[\s{,(\[])(?=[A-Z])\w{0,40}?(?i:(?P<name>(?:"
        + WORDS
        + r")\w{0,40}+)):(?P<secret>[^\s\"',;&<>{}\[\]]{4,})",
        cased=True,
    ),
    _named(rf"<[\w:.-]{{0,64}}?{_NAME}(?: [^<>\r\n]{{0,200}})?>\s{{0,4}}(?P<secret>[^<>\r\n]{{4,}}?)\s{{0,4}}</"),
    _named(
        rf"(?<![\w-])--?[\w-]{{0,40}}?{_NAME}(?:[ \t]{{1,4}}|[\"'],\s{{0,4}}[\"'])"
        r"(?P<secret>\"[^\"\r\n]+\"|'[^'\r\n]+'|[^\s\"'-][^\s\"']{3,})"
    ),
)
"""In this order: what one takes out the next does not read."""


def masked(text: bytes) -> tuple[bytes, tuple[str, ...]]:
    """`text` with everything that looks like a credential masked, and the kinds masked."""
    kinds: dict[str, None] = {}
    lower = text.lower()
    for look in LOOKS:
        if any(sign in lower for sign in look.signs):
            spans = tuple(_spans(look, text, lower))
            if spans:
                kinds[look.kind] = None
                text = _without(text, spans)
                lower = text.lower()
    return text, tuple(kinds)


def _spans(look: Look, text: bytes, lower: bytes) -> Iterator[tuple[int, int]]:
    for found in re.compile(look.pattern, re.MULTILINE).finditer(text if look.cased else lower):
        begin, end = found.span("secret")
        secret = text[begin:end].decode(errors="replace").strip("\\\"'[]{}")
        name = found.groupdict().get("name")
        if secret != MASK and (name is None or looks_secret(name.decode(errors="replace"), secret)):
            yield begin, end


def _without(text: bytes, spans: tuple[tuple[int, int], ...]) -> bytes:
    parts, at = list[bytes](), 0
    for begin, end in spans:
        parts += (text[at:begin], MASK.encode())
        at = end
    return b"".join((*parts, text[at:]))
