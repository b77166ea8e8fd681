"""The switches of a fault proxy over HTTP, and the program that runs both."""

from __future__ import annotations

import json
import signal
import threading
from dataclasses import asdict
from http.server import ThreadingHTTPServer
from typing import Any

import click

from sync_workers.errors import SettingsError
from sync_workers.sandbox.faults import Rule
from sync_workers.sandbox.handlers import Answer, Handler, answering, read_body, serve
from sync_workers.sandbox.proxy import FaultProxy


def serve_control(proxy: FaultProxy, listen: tuple[str, int]) -> ThreadingHTTPServer:
    """Serve the switches of a proxy over HTTP, as the docstring of ``proxy.py`` lists them."""

    def control(self: Handler) -> None:
        body = read_body(self)
        status = 200
        said: dict[str, Any] = {}
        try:
            match self.command, self.path:
                case "POST", "/rules":
                    proxy.rules.add(Rule.load(json.loads(body)))
                case "DELETE", "/rules":
                    proxy.clear()
                case "POST", "/release":
                    proxy.release()
                case "GET", "/log":
                    said = {"log": [asdict(entry) for entry in proxy.log]}
                case _:
                    status, said = 404, {"error": f"nothing at {self.command} {self.path}"}
        except (SettingsError, json.JSONDecodeError) as error:
            status, said = 400, {"error": str(error)}
        reply = json.dumps(said).encode()
        self.send(Answer(status, "", [("Content-Type", "application/json")], reply))

    return serve(listen, answering(control, "GET", "POST", "DELETE"))


@click.command()
@click.option("--listen", default="127.0.0.1:0", help="host:port that callers use")
@click.option("--target", required=True, help="base URL of the system behind")
@click.option("--control-port", type=int, default=0, help="port of the switches, on 127.0.0.1")
@click.option("--seed", type=int, default=0, help="for rules with a probability")
def main(listen: str, target: str, control_port: int, seed: int) -> None:
    """Run a fault proxy until it is stopped; the first line says where it listens, as JSON."""
    over = threading.Event()
    host, _, port = listen.rpartition(":")
    with FaultProxy(target, listen=(host, int(port)), seed=seed) as proxy:
        control = serve_control(proxy, ("127.0.0.1", control_port))
        click.echo(json.dumps({"url": proxy.url, "control": f"http://127.0.0.1:{control.server_address[1]}"}))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: over.set())
        while not over.wait(3600):
            pass
        control.shutdown()


def run() -> None:
    """Run the program, as ``python -m sync_workers.sandbox.proxy`` does."""
    main()
