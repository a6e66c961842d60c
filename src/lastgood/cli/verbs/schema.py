"""`lastgood schema`."""

import click

from lastgood.cli.options import verb
from lastgood.cli.session import Session


@click.command("schema")
@verb
def command(session: Session) -> int:  # noqa: ARG001 - every verb gets one
    """Print the JSON Schema of lastgood.yaml.

    \b
    Example:
      lastgood schema > lastgood.schema.json
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    import msgspec

    from lastgood.cli import out
    from lastgood.config.jsonschema import schema

    out.put(msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode() + "\n")
    return 0
