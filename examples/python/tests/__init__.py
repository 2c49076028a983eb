"""Tests of the client against a server that misbehaves on request: `python -m unittest`."""
