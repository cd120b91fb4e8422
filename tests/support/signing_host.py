"""SNS's host for certificates, here: a TLS server, reached through a proxy that HTTPS_PROXY names.

So the worker asks for SNS's own address and name, and its answer is checked as AWS's would be.
"""

import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from cryptography.hazmat.primitives import serialization

from support.connect_proxy import ConnectProxy
from support.signing import Authority, new_key

HOST = "sns.eu-west-1.amazonaws.com"


class SigningHost:
    """Serves files by their paths; what it does not have is answered with 404."""

    def __init__(self, folder: Path, authority: Authority, *, name: str = HOST) -> None:
        self.files = {}
        """What is served, by path: bytes, a status, or a function that writes an answer."""
        self.requested = []
        self.bundle = folder / "authority.pem"
        self.bundle.write_bytes(authority.pem)
        pem = folder / "host.pem"
        private = new_key(50).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        pem.write_bytes(private + authority.issue(name, key=new_key(50)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                host.requested.append(self.path)
                found = host.files.get(self.path, 404)
                if callable(found):
                    found(self)
                    return
                status, body = (found, b"") if isinstance(found, int) else (200, found)
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", f"https://{HOST}/other.pem")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._proxy = ConnectProxy(self._server.server_address)
        Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self):
        self._proxy.__enter__()
        return self

    def __exit__(self, *error):
        self._proxy.__exit__(*error)
        self._server.shutdown()
        self._server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a worker takes this host for AWS's."""
        return {
            "HTTPS_PROXY": self._proxy.url,
            "NO_PROXY": "127.0.0.1,localhost",
            "AWS_CA_BUNDLE": str(self.bundle),
        }
