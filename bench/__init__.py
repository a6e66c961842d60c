"""The benchmark: `python -m bench` measures what lastgood adds to what Compose and Git take anyway."""
