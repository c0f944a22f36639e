"""The page of the explorer: one file, nothing from elsewhere, light and dark."""

from __future__ import annotations

__all__ = ["PAGE"]

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>What would it have looked like?</title>
<style>
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5d6675; --line: #d9dee6; --page: #fff;
  --tile: #f4f6f9; --accent: #0b6b53; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --soft: #9aa5b5; --line: #353d4a;
  --page: #14181f; --tile: #1d232d; --accent: #5fd0ae; } }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.2rem 1rem 3rem; }
h1 { font-size: 1.5rem; margin: .3rem 0; }
p, figcaption { color: var(--soft); margin: .2rem 0; }
#thumbs { display: flex; gap: .4rem; overflow-x: auto; padding: .6rem 0; }
#thumbs button { padding: 0; border: 2px solid transparent; background: none; border-radius: .4rem;
  cursor: pointer; }
#thumbs button[aria-pressed=true] { border-color: var(--accent); }
#thumbs img { width: 52px; display: block; border-radius: .3rem; }
img { image-rendering: pixelated; }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: 1rem;
  margin: .8rem 0; }
figure { margin: 0; }
figure img { width: 100%; border-radius: .5rem; background: var(--tile); aspect-ratio: 1; }
.node { display: grid; grid-template-columns: minmax(6rem, 10rem) 1fr 5.5rem 4.5rem; gap: .8rem;
  align-items: center; padding: .45rem .7rem; border-bottom: 1px solid var(--line); }
.node.set { background: var(--tile); }
.node output { text-align: right; font-variant-numeric: tabular-nums; }
.node.set output { color: var(--accent); font-weight: 700; }
input[type=range] { width: 100%; accent-color: var(--accent); }
.release { border: 1px solid var(--line); border-radius: .4rem; background: none; color: var(--soft);
  cursor: pointer; }
.node:not(.set) .release { visibility: hidden; }
#status { min-height: 1.5em; }
</style>
</head>
<body data-state="loading">
<main>
<h1>What would it have looked like?</h1>
<p id="about"></p>
<div id="thumbs"></div>
<div class="panels">
<figure><img id="factual" alt="the image given"><figcaption>given</figcaption></figure>
<figure><img id="answer" alt="the counterfactual"><figcaption>counterfactual</figcaption></figure>
<figure><img id="change" alt="what has changed"><figcaption>change, four times</figcaption></figure>
</div>
<div id="nodes"></div>
<p id="status" role="status"></p>
<p>A slider that you move is set: an intervention. What it causes follows, everything else stays.
The ends are two standard deviations of the training labels from their mean.</p>
</main>
<script>
"use strict";
const at = id => document.getElementById(id);
let state, current = 0, set = {}, busy = false, again = false;

function show(labels) {
  for (const node of state.nodes) {
    const row = at("node-" + node.name), value = labels[node.name];
    row.classList.toggle("set", node.name in set);
    row.querySelector("output").textContent = value.toPrecision(4);
    if (!(node.name in set)) row.querySelector("input").value = value;
  }
}

async function ask() {
  if (busy) { again = true; return; }
  busy = true;
  try {
    do {
      again = false;
      const reply = await fetch("/answer", {method: "POST", body: JSON.stringify({image: current, do: set})});
      const content = await reply.json();
      if (!reply.ok) throw new Error(content.error);
      at("answer").src = content.image;
      at("change").src = content.change;
      show(content.labels);
      at("status").textContent = Object.keys(set).length
        ? "do(" + Object.entries(set).map(([k, v]) => k + " = " + v.toPrecision(4)).join(", ") + ")"
        : "nothing is set: this is the model's reconstruction";
    } while (again);
    document.body.dataset.state = "ready";
  } catch (error) {
    at("status").textContent = error.message;
    document.body.dataset.state = "failed";
  } finally { busy = false; }
}

function choose(index) {
  current = index;
  at("factual").src = state.images[index];
  document.querySelectorAll("#thumbs button").forEach((b, i) => b.setAttribute("aria-pressed", i === index));
  show({...state.labels[index], ...set});
  ask();
}

function addNode(node) {
  const row = document.createElement("div"), range = document.createElement("input");
  row.className = "node";
  row.id = "node-" + node.name;
  const name = document.createElement("label");
  name.textContent = node.name;
  range.type = "range"; range.id = "range-" + node.name; name.htmlFor = range.id;
  range.min = node.low; range.max = node.high; range.step = (node.high - node.low) / 200;
  range.addEventListener("input", () => { set[node.name] = Number(range.value); ask(); });
  const release = document.createElement("button");
  release.className = "release"; release.textContent = "release";
  release.addEventListener("click", () => { delete set[node.name]; ask(); });
  row.append(name, range, document.createElement("output"), release);
  at("nodes").append(row);
}

async function start() {
  state = await (await fetch("/state")).json();
  at("about").textContent = state.model + " on the graph " + state.graph;
  state.nodes.forEach(addNode);
  state.images.forEach((source, i) => {
    const button = document.createElement("button"), picture = document.createElement("img");
    picture.src = source; picture.alt = "image " + i;
    button.append(picture);
    button.addEventListener("click", () => choose(i));
    at("thumbs").append(button);
  });
  for (const part of decodeURIComponent(location.hash.slice(1)).split("&").filter(Boolean)) {
    const [name, value] = part.split("=");
    const range = at("range-" + name);
    if (range) { range.value = value; range.dispatchEvent(new Event("input")); }
  }
  choose(0);
}
start();
</script>
</body>
</html>
"""
