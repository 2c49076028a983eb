"""Configuration of sushy-emulator for a test, which it executes: what it is asked goes to a journal."""

import json
import os
import types
import uuid

from sushy_tools import error
from sushy_tools.emulator import main as emulator
from sushy_tools.emulator.resources.systems import fakedriver

RUN = os.environ["EMULATOR_RUN"]

SUSHY_EMULATOR_LISTEN_IP = "127.0.0.1"
SUSHY_EMULATOR_LISTEN_PORT = 0
SUSHY_EMULATOR_SSL_CERT = RUN + "/cert.pem"
SUSHY_EMULATOR_SSL_KEY = RUN + "/key.pem"
SUSHY_EMULATOR_AUTH_FILE = RUN + "/htpasswd"
SUSHY_EMULATOR_FAKE_DRIVER = True
SUSHY_EMULATOR_STATE_DIR = RUN + "/state"
SUSHY_EMULATOR_FAKE_SYSTEMS = [
    {
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, "n%05d" % number)),
        "name": "n%05d" % number,
        "power_state": os.environ["EMULATOR_POWER"],
        "nics": [{"mac": "52:54:00:00:%02x:%02x" % (number >> 8, number & 255), "ip": "127.0.0.1"}],
    }
    for number in range(1, int(os.environ["EMULATOR_SYSTEMS"]) + 1)
]

# Without an entry of its own a machine's storage is an error of the service.
SUSHY_EMULATOR_STORAGE = {system["uuid"]: [] for system in SUSHY_EMULATOR_FAKE_SYSTEMS}

# How long after a request the power changes, in seconds. By itself it is a random number.
_delay = int(os.environ["EMULATOR_DELAY"])
fakedriver.random = types.SimpleNamespace(randint=lambda low, high: _delay)


def _note(*entry):
    with open(RUN + "/journal", "a") as journal:
        journal.write(json.dumps(entry) + "\n")


_set_power_state = fakedriver.FakeDriver.set_power_state
_set_boot_device = fakedriver.FakeDriver.set_boot_device


def _journalled_power(self, identity, state):
    _note("power", self.name(identity), state)
    return _set_power_state(self, identity, state)


def _journalled_boot(self, identity, device):
    _note("boot", self.name(identity), device)
    if "EMULATOR_WITHOUT_BOOT" in os.environ:
        raise error.NotSupportedError("Boot device is for canary-Xy7-umbrella to know\x07")
    return _set_boot_device(self, identity, device)


fakedriver.FakeDriver.set_power_state = _journalled_power
fakedriver.FakeDriver.set_boot_device = _journalled_boot

# The emulator's machines have nothing in them, and Ironic inspects no machine without processors.
_processors = [
    {"id": "CPU%d" % number, "socket": "CPU %d" % number, "vendor": "Contoso", "model": "C-9",
     "cores": 8, "threads": 16}
    for number in range(2)
]
fakedriver.FakeDriver.get_processors = lambda self, identity: _processors
fakedriver.FakeDriver.get_total_cpus = lambda self, identity: len(_processors)
fakedriver.FakeDriver.get_total_memory = lambda self, identity: 96

_basic = emulator.RedfishAuthMiddleware.__call__
_tokens = set()


def _authenticated(self, env, start_response):
    path = env.get("PATH_INFO", "")
    if env.get("HTTP_X_AUTH_TOKEN") in _tokens or path == "/redfish/v1/SessionService/Sessions":
        return self.app(env, start_response)

    def journalled(status, headers, *rest):
        if status.startswith("401"):
            _note("unauthorised", path)
        return start_response(status, headers, *rest)

    return _basic(self, env, journalled)


emulator.RedfishAuthMiddleware.__call__ = _authenticated

if "EMULATOR_SESSIONS" in os.environ:
    import flask

    _root = emulator.app.view_functions["root_resource"]

    def _root_with_sessions():
        document = json.loads(_root().get_data())
        document["Links"] = {"Sessions": {"@odata.id": "/redfish/v1/SessionService/Sessions"}}
        return flask.jsonify(document)

    def _make_session():
        asked = flask.request.get_json()
        from sushy_tools.emulator import auth_basic

        try:
            auth_basic.authenticate(
                SUSHY_EMULATOR_AUTH_FILE, asked["UserName"], asked["Password"].encode()
            )
        except Exception:
            _note("unauthorised", flask.request.path)
            return flask.jsonify({"error": {"message": "no"}}), 401
        token = str(uuid.uuid4())
        _tokens.add(token)
        _note("session", asked["UserName"])
        return flask.jsonify({}), 201, {"X-Auth-Token": token}

    def _end_sessions():
        _tokens.clear()
        return "", 204

    emulator.app.view_functions["root_resource"] = _root_with_sessions
    emulator.app.add_url_rule(
        "/redfish/v1/SessionService/Sessions", "make_session", _make_session, methods=["POST"]
    )
    emulator.app.add_url_rule(
        "/redfish/v1/SessionService/Sessions", "end_sessions", _end_sessions, methods=["DELETE"]
    )

if "EMULATOR_FIRMWARE" in os.environ:
    import flask

    _firmware = {
        "bios": {"Id": "bios", "Name": "BIOS", "Version": "1.4.2"},
        "nic": {"Id": "nic", "Name": "NIC canary-Xy7-umbrella", "Version": "22.41"},
        # A slot without anything in it.
        "empty": {"Id": "empty", "Name": "Slot 7", "Version": None},
    }

    def _list_firmware():
        paths = ["/redfish/v1/UpdateService/FirmwareInventory/" + key for key in _firmware]
        return flask.jsonify({"Members": [{"@odata.id": path} for path in paths]})

    def _read_firmware(key):
        return flask.jsonify(_firmware[key])

    emulator.app.add_url_rule(
        "/redfish/v1/UpdateService/FirmwareInventory", "list_firmware", _list_firmware
    )
    emulator.app.add_url_rule(
        "/redfish/v1/UpdateService/FirmwareInventory/<key>", "read_firmware", _read_firmware
    )
