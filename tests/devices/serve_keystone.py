"""Serves Keystone for a test. Its arguments are the directory of its configuration and the port."""

import os
import sys

directory, port = sys.argv[1:]
# Keystone reads the rest of the command line as its own.
del sys.argv[1:]
os.environ["OS_KEYSTONE_CONFIG_DIR"] = directory

from cheroot.wsgi import Server
from keystone.server.wsgi import initialize_public_application

Server(("127.0.0.1", int(port)), initialize_public_application()).start()
