import html
import http.client
import json
import re
import shutil
import subprocess
import threading

import numpy as np
import pytest

from causalrep.cli import main
from causalrep.cli._explore import Explorer, _uri, serve
from causalrep.cli._explore_page import PAGE
from causalrep.representation import load_model

pytest.importorskip("PIL")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def explorer(model_folder, samples):
    return Explorer(load_model(model_folder, device="cpu"), samples["image"][:3])


@pytest.fixture(scope="module")
def port(explorer):
    server = serve(explorer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def request(port, method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body, headers)
    reply = connection.getresponse()
    content = reply.read()
    connection.close()
    return reply.status, content


def ask(port, question):
    status, content = request(port, "POST", "/answer", json.dumps(question))
    return status, json.loads(content)


def test_the_state_holds_nodes_ranges_and_images(port, samples):
    status, content = request(port, "GET", "/state")
    state = json.loads(content)
    assert status == 200
    assert [node["name"] for node in state["nodes"]] == ["angle", "light", "length", "position"]
    labels = samples.frame["light"]
    assert state["nodes"][1]["low"] == pytest.approx(labels.mean() - 2 * labels.std(ddof=0), rel=1e-5)
    assert len(state["images"]) == len(state["labels"]) == 3
    assert state["images"][1] == _uri(samples["image"][1])


def test_an_answer_is_that_of_the_model(port, model_folder, samples):
    status, answer = ask(port, {"image": 2, "do": {"light": 120}})
    wanted = load_model(model_folder, device="cpu").counterfactual(samples["image"][2:3], {"light": 120.0})
    assert status == 200
    assert answer["image"] == _uri(wanted.images[0])
    assert answer["labels"]["light"] == pytest.approx(120)
    for node in ("angle", "length", "position"):
        assert answer["labels"][node] == pytest.approx(wanted.labels[node][0])


def test_without_an_intervention_it_is_the_reconstruction(port, model_folder, samples):
    _, answer = ask(port, {"image": 0, "do": {}})
    model = load_model(model_folder, device="cpu")
    reconstruction = model.predict_images(model.abduct(samples["image"][:1]))
    assert answer["image"] == _uri(reconstruction[0])


def test_an_image_is_abducted_once_however_often_its_sliders_move(model_folder, samples, monkeypatch):
    model = load_model(model_folder, device="cpu")
    abducted, abduct = [], model.abduct
    monkeypatch.setattr(model, "abduct", lambda images: abducted.append(images) or abduct(images))
    explorer = Explorer(model, samples["image"][:3])
    for image, do in ((0, {}), (0, {"light": 120}), (2, {"light": 120}), (0, {"angle": -5}), (2, {})):
        explorer.answer({"image": image, "do": do})
    np.testing.assert_array_equal(np.concatenate(abducted), samples["image"][[0, 2]])


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"image": 3, "do": {}}, "`image` must be a number below 3"),
        ({"image": 0}, "must have `image` and `do`"),
        ({"image": 0, "do": {"lights": 1}}, "did you mean 'light'"),
        ({"image": 0, "do": {"light": "bright"}}, "must be a finite number"),
        ([], "must have `image` and `do`"),
    ],
)
def test_what_is_wrong_with_a_question_is_said(port, question, message):
    status, answer = ask(port, question)
    assert status == 400
    assert message in answer["error"]


def test_other_paths_sites_and_long_questions_are_refused(port):
    assert request(port, "GET", "/etc/passwd")[0] == 404
    assert request(port, "POST", "/state", "{}")[0] == 404
    assert request(port, "POST", "/answer", "x" * 70_000)[0] == 404
    assert request(port, "GET", "/state", Host="evil.example")[0] == 403
    assert request(port, "POST", "/answer", "{", Host="localhost:1")[0] == 400


def test_the_page_needs_nothing_from_elsewhere():
    assert not re.search(r"(src|href)=[\"'](?!data:)", PAGE)
    assert "http" not in PAGE


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_browser_shows_the_answer_to_a_moved_slider(port, explorer, tmp_path):
    """The fragment moves the slider of the light as a hand would, by its input event."""
    shown = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000",
            f"--user-data-dir={tmp_path}", "--dump-dom", f"http://127.0.0.1:{port}/#light=100",
        ],
        capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip
    page = html.unescape(shown)
    assert 'data-state="ready"' in page
    rows = re.findall(r'class="node( set)?" id="node-(\w+)".*?<output>(.*?)</output>', page)
    assert [name for mark, name, _ in rows if mark] == ["light"]
    values = {name: float(text) for _, name, text in rows}
    low, high = (explorer.state()["nodes"][1][end] for end in ("low", "high"))
    assert values["light"] == pytest.approx(100, abs=(high - low) / 200)  # one step of the slider
    answer = explorer.answer({"image": 0, "do": {"light": float(re.search(r"do\(light = (.*?)\)", page)[1])}})
    assert values["length"] == pytest.approx(answer["labels"]["length"], rel=1e-2)
    source = re.search(r'id="answer"[^>]*src="(data:image/png[^"]*)"', page)
    assert source is not None
    assert source[1] != explorer.state()["images"][0]


def test_a_folder_without_a_model_is_an_error(tmp_path, capsys):
    assert main(["explore", str(tmp_path)]) == 2
    assert "causalrep explore:" in capsys.readouterr().err


def test_interruption_ends_the_server(model_folder, monkeypatch, capsys):
    def stop(self):
        raise KeyboardInterrupt

    monkeypatch.setattr("http.server.ThreadingHTTPServer.serve_forever", stop)
    assert main(["explore", str(model_folder), "--device", "cpu"]) == 0
    assert "http://127.0.0.1:" in capsys.readouterr().out


def test_pictures_can_be_given(model_folder, samples, tmp_path, monkeypatch):
    np.save(tmp_path / "images.npy", samples["image"][:2])
    seen = []

    def keep(explorer, port):
        seen.append(explorer.state()["images"])
        return serve(explorer, port)

    monkeypatch.setattr("http.server.ThreadingHTTPServer.serve_forever", lambda _: None)
    monkeypatch.setattr("causalrep.cli._explore.serve", keep)
    arguments = ["explore", str(model_folder), "--images", str(tmp_path / "images.npy"), "--device", "cpu"]
    assert main(arguments) == 0
    assert seen == [[_uri(image) for image in samples["image"][:2]]]
