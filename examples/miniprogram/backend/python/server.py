"""The backend of a mini-program on Python's standard library. It has the client's secret, and serves the paths of the kit:

MINIFED_ISSUER=https://id.example.com MINIFED_CLIENT_ID=... MINIFED_CLIENT_SECRET_FILE=... python3 server.py
"""

import base64
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FEDERATION = "/federation/wechat/miniapp/"
BINDINGS = {
    "register": ["code", "bind_ticket", "user"],
    "phone": ["code", "bind_ticket", "phone_code"],
    "password": ["code", "bind_ticket", "username", "password"],
    "session": ["code", "bind_ticket", "access_token"],
}
SCANS = {"seen": ["scene", "attempt"], "approve": ["scene", "code", "number", "confirmed"], "deny": ["scene"]}
LARGEST_BODY = 64 * 1024


class Rejected(Exception):
    """The request is not one of the kit."""


class Minifed:
    """The confidential client that this backend is."""

    def __init__(self, issuer, client_id, client_secret):
        self.issuer = issuer.rstrip("/")
        # RFC 6749 section 2.3.1: both parts are form-encoded before they are joined.
        pair = ":".join(urllib.parse.quote_plus(part) for part in (client_id, client_secret))
        self.authorization = "Basic " + base64.b64encode(pair.encode()).decode()

    def post(self, endpoint, members):
        return self.send("POST", endpoint, json.dumps(members).encode(), "application/json", self.authorization)

    def refresh(self, token):
        form = urllib.parse.urlencode({"grant_type": "refresh_token", "refresh_token": token}).encode()
        return self.send("POST", "/oauth2/token", form, "application/x-www-form-urlencoded", self.authorization)

    def user_info(self, authorization):
        return self.send("GET", "/oauth2/userinfo", None, "application/json", authorization)

    def send(self, method, endpoint, body, media_type, authorization):
        headers = {"Content-Type": media_type, "Authorization": authorization}
        request = urllib.request.Request(self.issuer + endpoint, data=body, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


def route(minifed, path, body):
    """Sends what the path may send to minifed, and no other member."""
    if path == "login":
        return minifed.post(FEDERATION + "profile", pick(body, ["code", "user"]))
    if path == "phone":
        scope = {"scope": "openid profile phone offline_access"}
        return minifed.post(FEDERATION + "profile", pick(body, ["code", "phone_code"]) | scope)
    if path == "refresh" and isinstance(body.get("refresh_token"), str):
        return minifed.refresh(body["refresh_token"])
    if path == "bind" and body.get("method") in BINDINGS:
        return minifed.post(FEDERATION + "bindUser", pick(body, ["method", *BINDINGS[body["method"]]]))
    if path == "scan" and body.get("action") in SCANS:
        return minifed.post(FEDERATION + "scan/" + body["action"], pick(body, SCANS[body["action"]]))
    if path == "hand-off":
        return minifed.post(FEDERATION + "hand-off", pick(body, ["access_token", "target_client_id", "state"]))
    raise Rejected


def pick(body, names):
    return {name: body[name] for name in names if name in body}


class Handler(BaseHTTPRequestHandler):
    minifed = None

    def do_POST(self):
        try:
            self.reply(*route(self.minifed, self.path.rsplit("/", 1)[-1], self.body()))
        except (Rejected, TypeError):
            self.reply(400, b'{"error":"invalid_request"}')
        except OSError as error:
            self.unavailable(error)

    def do_GET(self):
        if self.path != "/me":
            self.reply(404, b'{"error":"not_found"}')
            return
        try:
            # minifed rejects a user who was disabled a moment ago. Where that does not matter, verify the access token instead.
            self.reply(*self.minifed.user_info(self.headers.get("Authorization", "")))
        except OSError as error:
            self.unavailable(error)

    def body(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST_BODY:
            raise Rejected
        try:
            body = json.loads(self.rfile.read(length))
        except ValueError:
            raise Rejected from None
        if not isinstance(body, dict):
            raise Rejected
        return body

    def unavailable(self, error):
        # The mini-program sends its request again, with the same code.
        print(f"minifed did not respond: {type(error).__name__}", file=sys.stderr)
        self.reply(502, b'{"error":"temporarily_unavailable","reason":"retry"}')

    def reply(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    with open(os.environ["MINIFED_CLIENT_SECRET_FILE"], encoding="utf-8") as file:
        secret = file.read().strip()
    Handler.minifed = Minifed(os.environ["MINIFED_ISSUER"], os.environ["MINIFED_CLIENT_ID"], secret)
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9000"))), Handler)
    print(f"listening on http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
