"""Where S3's credentials come from: Amazon's files and processes, in a process of its own since the environment is read once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from conftest import IN_CHILD, PACKAGE, Child

LISTENER = """
import http.server, sys

class Listener(http.server.ThreadingHTTPServer):
    def handle_error(self, request, address):
        # whoever asked for credentials ends with its connections open
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, address)
"""

ASK = (
    LISTENER
    + """
import threading
import s3dlio

KEYS = b'{"Code":"Success","AccessKeyId":"%s","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"}'

class Server(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        if self.path == "/keys":
            body = KEYS % b"CONTAINER"
        elif self.path.rstrip("/").endswith("/security-credentials"):
            body = b"role"
        elif self.path.endswith("/security-credentials/role"):
            body = KEYS % b"INSTANCE"
        else:
            print(self.headers["Authorization"].split("Credential=")[1].split("/")[0], self.headers.get("X-Amz-Security-Token"))
            body = b""
        self.say(body)

    def do_PUT(self):
        assert self.path == "/latest/api/token"
        self.say(b"metadata-token")

    def do_POST(self):
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        assert b"Action=AssumeRoleWithWebIdentity" in asked and b"WebIdentityToken=identity" in asked, asked
        keys = b"".join(b"<%s>%s</%s>" % (name, value, name) for name, value in [
            (b"AccessKeyId", b"WEB"), (b"SecretAccessKey", b"s"), (b"SessionToken", b"t"), (b"Expiration", b"2099-01-01T00:00:00Z")])
        self.say(b"<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>%s</Credentials>"
            b"</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>" % keys)

    def say(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"e"')
        self.send_header("X-aws-ec2-metadata-token-ttl-seconds", "21600")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD

    def log_message(self, *_):
        pass

server = Listener(("127.0.0.1", int(sys.argv[2])), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
options = {"endpoint_url": f"http://127.0.0.1:{server.server_port}", "region": "r1"}
if sys.argv[1]:
    options["profile"] = sys.argv[1]
s3dlio.stat("s3://bucket/key", storage_options=options)
"""
)

#: No machine's own credentials have a say.
NOTHING = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"), "") | {
    "AWS_EC2_METADATA_DISABLED": "true"
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with Amazon's two files."""
    keys = tmp_path / "keys.json"
    keys.write_text('{"Version":1,"AccessKeyId":"PROCESS","SecretAccessKey":"s"}')
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "config").write_text(f"[profile runs]\nregion = r1\ncredential_process = /bin/cat {keys}\n\n[profile other]\nregion = r2\n")
    (folder / "credentials").write_text("[other]\naws_access_key_id = FILE\naws_secret_access_key = s\naws_session_token = token\n")
    return tmp_path


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize(("profile", "sent"), [("runs", "PROCESS None"), ("other", "FILE token")])
def test_profile_of_either_file_is_found(home: Path, child: Child, profile: str, sent: str, moved: bool) -> None:
    places = {"HOME": str(home)}
    if moved:
        (home / ".aws").rename(home / "elsewhere")
        places = {
            "HOME": "/nowhere",
            "AWS_CONFIG_FILE": str(home / "elsewhere/config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(home / "elsewhere/credentials"),
        }
    assert child(ASK, profile, 0, environment=NOTHING | places).stdout.strip() == sent


def test_profile_of_the_environment_is_taken(home: Path, child: Child) -> None:
    assert child(ASK, "", 0, environment=NOTHING | {"HOME": str(home), "AWS_PROFILE": "runs"}).stdout.strip() == "PROCESS None"


def test_container_hands_out_credentials(home: Path, child: Child, free_port: int) -> None:
    where = {"HOME": "/nowhere", "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{free_port}/keys"}
    assert child(ASK, "", free_port, environment=NOTHING | where).stdout.strip() == "CONTAINER t"


def test_instance_hands_out_credentials(child: Child, free_port: int) -> None:
    where = {"HOME": "/nowhere", "AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{free_port}"}
    assert child(ASK, "", free_port, environment=NOTHING | where).stdout.strip() == "INSTANCE t"


def test_web_identity_is_exchanged(tmp_path: Path, child: Child, free_port: int) -> None:
    (tmp_path / "token").write_text("identity")
    where = {
        "HOME": "/nowhere",
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/runner",
        "AWS_ROLE_SESSION_NAME": "session",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
        "AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{free_port}",
        "AWS_REGION": "us-east-1",
    }
    assert child(ASK, "", free_port, environment=NOTHING | where).stdout.strip() == "WEB t"


def test_program_that_asks_is_missing_or_ends_badly(tmp_path: Path, child: Child) -> None:
    for name in ("libs3dlio.so", "s3dlio"):
        shutil.copy(PACKAGE / name, tmp_path / name)
    places = NOTHING | {"HOME": "/nowhere", "S3DLIO_LIBRARY": str(tmp_path / "libs3dlio.so")}
    program = tmp_path / "s3dlio"

    def error() -> str:
        ended = child(ASK, "", 0, environment=places, check=False)
        assert ended.returncode == 1 and "NoCredentialsError: s3://bucket/key: " in ended.stderr, ended.stderr
        return str(ended.stderr)

    assert "Unable to find the" in error()
    # somebody who lives on has the pipe's other end, as a child does that is forked in the wrong moment
    program.write_text("#!/bin/sh\nsleep 45 &\nkill -9 $$\n")
    began = time.monotonic()
    assert f"{program} ended by signal 9" in error()
    assert time.monotonic() - began < 30
    program.write_text("#!/bin/sh\ncat >/dev/null; echo something\n")
    assert f"{program} ended without an answer" in error()
    # one that goes on after its answer, or after it closed its output, is killed, and leaves no dead child
    for does in ("echo '{}'", "exec >&-"):
        program.write_text(f"#!/bin/sh\n{does}\nsleep 100\n")
        began = time.monotonic()
        assert f"{program} had closed its output, or answered, and did not end within 5 s; it was killed" in error()
        assert time.monotonic() - began < 30
    program.chmod(0o644)
    assert f"{program}, cannot be started: Permission denied" in error()
    program.unlink()
    assert f"{program}, cannot be started: No such file or directory" in error() and "install s3dlio anew" in error()


def test_program_that_asks_answers_a_line_without_waiting_for_its_input_to_end() -> None:
    environment = os.environ | NOTHING | {"HOME": "/nowhere"}
    with subprocess.Popen([PACKAGE / "s3dlio", "credentials"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as program:
        assert program.stdin and program.stdout
        program.stdin.write(b'{"vendor":"amazon","profile":"nowhere","region":"r1"}\n')
        program.stdin.flush()
        assert "no profile 'nowhere'" in json.loads(program.stdout.readline())["error"]
        assert program.wait(timeout=30) == 0


USE = (
    IN_CHILD
    + """
import s3dlio
options = {"endpoint_url": "http://127.0.0.1:9", "region": "r1", "profile": "runs", "max_attempts": 1}

def asks():
    try:
        s3dlio.stat("s3://bucket/key", storage_options=options)
    except s3dlio.UnavailableError:
        return
    raise AssertionError("it worked")

before = [signal.getsignal(one) for one in (signal.SIGCHLD, signal.SIGINT, signal.SIGCONT)]
asks()
in_child(lambda: (asks(), in_child(asks)))
# what the program's children do to signals is not this process's affair
assert before == [signal.getsignal(one) for one in (signal.SIGCHLD, signal.SIGINT, signal.SIGCONT)]
assert not int(open("/proc/self/status").read().split("SigCgt:")[1].split()[0], 16) >> (signal.SIGCHLD - 1) & 1, "somebody catches SIGCHLD"
try:
    os.waitpid(-1, os.WNOHANG)
    raise AssertionError("a child was left")
except ChildProcessError:
    pass
# nobody is left to be waited for either where the system does that by itself
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
counts = []
for i in range(5):
    try:
        # a store that has not asked yet
        s3dlio.stat(f"s3://other-{i}/key", storage_options=options | {"read_timeout": 10 + i})
    except s3dlio.UnavailableError:
        pass
    counts.append(len(os.listdir("/proc/self/fd")))
assert counts[-1] <= counts[0] + 1, counts
"""
)


def test_program_that_asks_works_in_forked_children_and_leaves_signals_and_children_alone(home: Path, child: Child) -> None:
    child(USE, environment=NOTHING | {"HOME": str(home)})


@pytest.fixture
def free_port() -> int:
    """A port that was free a moment ago."""
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


ASK_AZURE = (
    LISTENER
    + """
import json, threading
import s3dlio

given, refused = [], []

class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if not self.path.startswith("/identity"):
            return self.do_HEAD()
        assert self.headers["X-IDENTITY-HEADER"] == "shared-secret" and "resource=https" in self.path, self.path
        given.append(f"TOKEN-{len(given) + 1}")
        self.say(200, json.dumps({"access_token": given[-1], "expires_on": "4070908800", "resource": "r", "token_type": "Bearer"}).encode())

    def do_HEAD(self):
        print(self.headers["Authorization"])
        # the first token is taken back before its time
        self.say(401 if self.headers["Authorization"] == "Bearer TOKEN-1" else 200, b"")

    def say(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.send_header("ETag", '"e"')
        self.send_header("Last-Modified", "Sat, 01 Jan 2022 00:00:00 GMT")
        self.send_header("x-ms-blob-type", "BlockBlob")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = Listener(("127.0.0.1", int(sys.argv[1])), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
options = {"endpoint_url": f"http://127.0.0.1:{server.server_port}", "credential": "default"}
for _ in range(2):
    s3dlio.stat("az://account/container/key", storage_options=options)
assert len(given) == 2, given
"""
)


def test_managed_identity_hands_out_a_token_and_a_new_one_when_it_is_refused(child: Child, free_port: int) -> None:
    nothing = dict.fromkeys(
        ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_CLIENT_ID", "AZURE_TENANT_ID"), ""
    )
    where = {"IDENTITY_ENDPOINT": f"http://127.0.0.1:{free_port}/identity", "IDENTITY_HEADER": "shared-secret"}
    sent = child(ASK_AZURE, free_port, environment=nothing | where).stdout.split("\n")
    assert sent[:3] == ["Bearer TOKEN-1", "Bearer TOKEN-2", "Bearer TOKEN-2"]
