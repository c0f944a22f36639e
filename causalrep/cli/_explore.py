"""``causalrep explore``: a page with a slider for every node, and the model's answer while they move.

The page is one file without anything from elsewhere, served to this machine alone. A moved slider is an
intervention on that node, and the sliders of its descendants follow.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from causalrep.cli._explore_page import PAGE
from causalrep.cli._pictures import png_bytes, read_images
from causalrep.utils import DataError, UnknownNameError

__all__ = ["Explorer", "run_explore", "serve"]

_LARGEST_QUESTION = 1 << 16
_SAMPLED = 8


class Explorer:
    """A model, some images, and the answers about them.

    Parameters
    ----------
    model : CounterfactualImageModel
        Fitted.
    images : array of shape (n, channels, size, size)
        What is intervened on.
    """

    def __init__(self, model: Any, images: Any) -> None:
        self._model, self._images = model, np.asarray(images, dtype=np.float32)
        self._nodes = list(model.graph_.nodes)
        self._labels = model.predict(self._images)
        self._abducted: dict[int, Any] = {}  # of the images asked about: one abduction serves all sliders
        self._lock = threading.Lock()  # networks answer one question at a time

    def state(self) -> dict[str, Any]:
        """Return what the page shows first: nodes with their ranges, and the images."""
        network = self._model.network_
        mean, sd = (part.double().cpu().numpy() for part in (network.label_mean, network.label_scale))
        return {
            "model": type(self._model).__name__,
            "graph": self._model.graph_.to_string(),
            "nodes": [
                {"name": str(node), "low": float(mean[i] - 2 * sd[i]), "high": float(mean[i] + 2 * sd[i])}
                for i, node in enumerate(self._nodes)
            ],
            "images": [_uri(image) for image in self._images],
            "labels": [self._row(self._labels, i) for i in range(len(self._images))],
        }

    def answer(self, question: Any) -> dict[str, Any]:
        """Return image and labels under an intervention.

        Parameters
        ----------
        question : mapping
            ``"image"``, the number of an image, and ``"do"``, a mapping of names of nodes to numbers.

        Raises
        ------
        DataError, UnknownNameError
            For a question that is not of this form, or a node that does not exist.
        """
        if not isinstance(question, dict) or not isinstance(question.get("do"), dict):
            raise DataError("a question must have `image` and `do`")
        index = question.get("image")
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(self._images):
            raise DataError(f"`image` must be a number below {len(self._images)}, got {index!r}")
        factual = self._images[index : index + 1]
        do = self._intervention(question["do"])
        with self._lock:
            if index not in self._abducted:
                self._abducted[index] = self._model.abduct(factual)
            result = self._model.counterfactual(self._abducted[index], do)
        image = np.asarray(result.images[0])
        shade = 1 - np.clip(4 * np.abs(image - factual[0]).max(axis=0, keepdims=True), 0, 1)
        return {"image": _uri(image), "change": _uri(shade), "labels": self._row(result.labels, 0)}

    def _intervention(self, given: Mapping[str, Any]) -> dict[Any, float]:
        named = {str(node): node for node in self._nodes}
        do = {}
        for name, value in given.items():
            if name not in named:
                raise UnknownNameError(name, named, what="`do`")
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
                raise DataError(f"`do` of {name!r} must be a finite number, got {value!r}")
            do[named[name]] = float(value)
        return do

    def _row(self, labels: Any, index: int) -> dict[str, float]:
        return {str(node): float(labels[node].iloc[index]) for node in self._nodes}


def serve(explorer: Explorer, port: int = 0) -> ThreadingHTTPServer:
    """Return a server on the loopback interface, not yet started; port 0 takes a free one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self._is_local():
                return
            path = self.path.split("?")[0]
            if path == "/":
                self._send(200, "text/html; charset=utf-8", PAGE.encode())
            elif path == "/state":
                self._send_json(200, explorer.state())
            else:
                self._send_json(404, {"error": f"there is no {path}"})

        def do_POST(self) -> None:
            if not self._is_local():
                return
            length = self.headers.get("Content-Length", "")
            if self.path != "/answer" or not length.isdigit() or int(length) > _LARGEST_QUESTION:
                self._send_json(404, {"error": "questions go to /answer, and are short"})
                return
            try:
                self._send_json(200, explorer.answer(json.loads(self.rfile.read(int(length)))))
            except (DataError, UnknownNameError, json.JSONDecodeError) as error:
                self._send_json(400, {"error": str(error)})

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as in the base class
            """Say nothing: a slider asks often."""

        def _is_local(self) -> bool:
            """Refuse pages of other sites whose name was made to point here."""
            host = self.headers.get("Host", "").rsplit(":", 1)[0]
            if host in ("127.0.0.1", "localhost"):
                return True
            self._send_json(403, {"error": f"this page is for this machine alone, not for {host!r}"})
            return False

        def _send_json(self, status: int, content: Any) -> None:
            self._send(status, "application/json", json.dumps(content).encode())

        def _send(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", "default-src 'self' 'unsafe-inline'; img-src data:")
            self.end_headers()
            self.wfile.write(body)

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def run_explore(model: Path, images: Path | None, *, port: int, device: str) -> None:
    """Serve the page until interrupted.

    Parameters
    ----------
    model : Path
        Folder of a trained model.
    images : Path or None
        Folder of pictures, one picture, or a ``.npy`` file; default: images that the model draws.
    port : int
        Of the page; 0 for a free one.
    device : str
        Where the model is put.
    """
    from causalrep.representation import load_model

    trained = load_model(model, device=device)
    if images is None:
        shown = trained.sample(_SAMPLED, random_state=0).images
    else:
        shown = read_images(images, channels=trained.shape_.channels)[1]
    server = serve(Explorer(trained, shown), port)
    print(f"http://127.0.0.1:{server.server_port}/  (Ctrl-C ends it)", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()
    finally:
        server.server_close()


def _uri(image: Any) -> str:
    return "data:image/png;base64," + base64.b64encode(png_bytes(image)).decode("ascii")
