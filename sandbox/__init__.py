"""The sandbox: real engine, registry, proxy, database and Git remote to try lastgood on."""
