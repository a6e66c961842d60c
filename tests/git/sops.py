"""Files as SOPS leaves them, in each of its formats; the ciphertext is made up, its shape is not."""

import hashlib
import json


def enc(value: str, kind: str = "str") -> str:
    """A value as SOPS writes it: the same for the same value, as `sops edit` keeps it."""
    data = hashlib.sha256(value.encode()).hexdigest()
    return f"ENC[AES256_GCM,data:{data[:24]},iv:{data[24:40]}=,tag:{data[40:56]}==,type:{kind}]"


def mac(values: dict[str, str]) -> str:
    return enc(json.dumps(values))


def yaml(values: dict[str, str], recipient: str = "age1ops") -> bytes:
    """`db:` with these keys, encrypted, and the metadata as SOPS 3.8 appends it."""
    body = "".join(f"    {key}: {enc(value)}\n" for key, value in values.items())
    return f"""\
db:
{body}sops:
    kms: []
    gcp_kms: []
    age:
        - recipient: {recipient}
          enc: |
            -----BEGIN AGE ENCRYPTED FILE-----
            YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSA4
            -----END AGE ENCRYPTED FILE-----
    lastmodified: "2026-11-{10 + len(mac(values)) % 7}T03:15:00Z"
    mac: {mac(values)}
    pgp: []
    unencrypted_suffix: _unencrypted
    version: 3.8.1
""".encode()


def dotenv(values: dict[str, str]) -> bytes:
    """The flat form."""
    body = "".join(f"{key}={enc(value)}\n" for key, value in values.items())
    head = "sops_age__list_0__map_recipient=age1ops\nsops_lastmodified=2026-11-10T03:15:00Z\n"
    return f"{body}{head}sops_mac={mac(values)}\nsops_version=3.8.1\n".encode()


def ini(values: dict[str, str]) -> bytes:
    """Sections, and one more for the metadata."""
    body = "".join(f"{key} = {enc(value)}\n" for key, value in values.items())
    return (
        f"[db]\n{body}\n[sops]\nage__list_0__map_recipient = age1ops\nmac = {mac(values)}\nversion = 3.8.1\n".encode()
    )


def document(values: dict[str, str], indent: str | None = "\t") -> bytes:
    """JSON, as SOPS indents it."""
    whole = {"db": {key: enc(value) for key, value in values.items()}, "sops": {"age": [], "mac": mac(values)}}
    return (json.dumps(whole, indent=indent) + "\n").encode()


def binary(content: str) -> bytes:
    """What SOPS makes of a file that is none of the others."""
    whole = {"data": enc(content), "sops": {"age": [], "mac": enc(content + "mac"), "version": "3.8.1"}}
    return (json.dumps(whole, indent="\t") + "\n").encode()
