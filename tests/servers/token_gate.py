"""Lets requests with the right token through to a server that knows no tokens. Usage: token_gate.py PORT SERVER_PORT

The token is in the variable GATE_TOKEN; it may come as `x-chroma-token` or as a bearer token, and both when both come.
"""

import http.client
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = os.environ["GATE_TOKEN"]
LOCAL = threading.local()
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}


class Gate(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def serve(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        sent = [self.headers.get("x-chroma-token")]
        bearer = self.headers.get("authorization")
        sent.append(bearer.removeprefix("Bearer ") if bearer else None)
        if not any(sent) or any(token not in (None, TOKEN) for token in sent):
            return self.reply(401, {"content-type": "application/json"}, b'{"error":"AuthError","message":"wrong token"}')
        try:
            answer, data = self.ask(body)
        except OSError as error:
            return self.reply(502, {}, str(error).encode())
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP}
        self.reply(answer.status, headers, data)

    def ask(self, body):
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        for fresh in (False, True):
            if fresh or not getattr(LOCAL, "server", None):
                LOCAL.server = http.client.HTTPConnection("127.0.0.1", int(sys.argv[2]))
            try:
                LOCAL.server.request(self.command, self.path, body or None, headers)
                answer = LOCAL.server.getresponse()
                return answer, answer.read()
            except (OSError, http.client.HTTPException) as error:
                LOCAL.server.close()
                if fresh or not isinstance(error, (http.client.RemoteDisconnected, BrokenPipeError)):
                    LOCAL.server = None
                    raise OSError(str(error)) from error

    def reply(self, status, headers, data):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = serve

    def log_message(self, *_):
        pass


ThreadingHTTPServer.daemon_threads = True
ThreadingHTTPServer.request_queue_size = 128
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Gate).serve_forever()
