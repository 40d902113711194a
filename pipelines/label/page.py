"""The page of ``label``: nothing on it comes from elsewhere."""

from __future__ import annotations

_HTML = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>label</title>
<link rel="stylesheet" href="/label.css">
<main>
  <section>
    <video id="video" src="/video" controls muted preload="auto"></video>
    <p id="state" role="status"></p>
    <p>Space: play, stop. Comma, full stop: a frame back, on. Arrows: a second back, on. Minus, plus: slower, faster.
      Backspace: undo. <label>Label for keys without one: <select id="label"></select></label></p>
    <table id="keys"><caption>Keys</caption></table>
  </section>
  <section>
    <h1 id="title"></h1>
    <table><thead><tr><th>time</th><th>what</th><th></th></tr></thead><tbody id="rows"></tbody></table>
  </section>
</main>
<script src="/label.js"></script>
</html>
"""

_CSS = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 1rem; color: #222; background: #fafafa; }
main { display: flex; flex-wrap: wrap; gap: 1.5rem; }
section:first-child { flex: 3 1 36rem; }
section:last-child { flex: 1 1 18rem; }
video { width: 100%; max-height: 70vh; background: #000; }
h1 { font-size: 1.1rem; margin-top: 0; overflow-wrap: anywhere; }
#state { font-size: 1.2rem; min-height: 1.6em; margin: .3rem 0; }
#state.bad { color: #b00020; }
table { border-collapse: collapse; }
caption { text-align: left; font-weight: 600; }
td, th { padding: .1rem .8rem .1rem 0; text-align: left; }
kbd { border: 1px solid #999; border-radius: 3px; padding: 0 .4em; background: #fff; }
#rows tr:first-child { font-weight: 600; }
button { border: 0; background: none; cursor: pointer; color: #b00020; }
"""

_JS = """'use strict';
const video = document.getElementById('video');
const state = document.getElementById('state');
const choice = document.getElementById('label');
let about = {keys: {}, fps: 25};
let shown = null;  // media time of the frame that is on the screen, where the browser tells

function watch(now, frame) { shown = frame.mediaTime; video.requestVideoFrameCallback(watch); }
if (video.requestVideoFrameCallback) { video.requestVideoFrameCallback(watch); }
video.addEventListener('seeking', () => { shown = null; });
video.addEventListener('error', () => say('this browser cannot play the video', true));
const time = () => shown !== null && Math.abs(shown - video.currentTime) < 1 ? shown : video.currentTime;

function say(text, bad) { state.textContent = text; state.className = bad ? 'bad' : ''; }

function cell(row, text) { const one = row.insertCell(); one.textContent = text; return one; }

function show(rows) {
  const body = document.getElementById('rows');
  body.replaceChildren();
  rows.map((row, number) => [row, number]).reverse().forEach(([row, number]) => {
    const line = body.insertRow();
    cell(line, row.time_s.toFixed(3));
    cell(line, [row.kind, row.name, row.direction, row.label].filter(Boolean).join(' '));
    const button = document.createElement('button');
    button.textContent = '\\u00d7';
    button.title = 'take out';
    button.addEventListener('click', () => { send('/undo', {number}); button.blur(); });
    line.insertCell().append(button);
    line.addEventListener('dblclick', () => { video.currentTime = row.time_s; });
  });
}

let turn = Promise.resolve();
function send(path, what, said) {  // one after the other, so that rows stand in the order of the keys
  turn = turn.then(async () => {
    try {
      const answer = await fetch(path, {
        method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(what)});
      const content = await answer.json();
      if (content.error) { say(content.error, true); return; }
      show(content.rows);
      say(said || `saved: ${content.rows.length} rows`);
    } catch (error) { say('not saved: the command that served this page has ended', true); }
  });
}

function step(seconds) { video.pause(); video.currentTime = Math.max(0, video.currentTime + seconds); }

const controls = {
  ' ': () => video.paused ? video.play() : video.pause(),
  ',': () => step(-1 / about.fps),
  '.': () => step(1 / about.fps),
  'ArrowLeft': () => { video.currentTime -= 1; },
  'ArrowRight': () => { video.currentTime += 1; },
  '-': () => { video.playbackRate = Math.max(0.125, video.playbackRate / 2); say(`speed ${video.playbackRate}`); },
  '+': () => { video.playbackRate = Math.min(8, video.playbackRate * 2); say(`speed ${video.playbackRate}`); },
  'Backspace': () => send('/undo', {}, 'the last row is taken out'),
};

function keyOf(event) {  // a capital is a letter with Shift, whatever Caps Lock says
  if (event.key.length !== 1) { return event.key; }
  const capital = event.key.toUpperCase();
  return event.shiftKey && capital in about.keys ? capital : event.key.toLowerCase();
}

document.addEventListener('keydown', (event) => {
  const key = keyOf(event);
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat && key in about.keys) { return; }
  if (key in about.keys) {
    const at = time();
    send('/rows', {key, time_s: at, label: choice.value}, `${at.toFixed(2)} s: ${about.keys[key]}`);
  } else if (key in controls) {
    controls[key]();
  } else { return; }
  event.preventDefault();
  event.stopPropagation();
}, true);

choice.addEventListener('change', () => choice.blur());
fetch('/about').then((answer) => answer.json()).then((told) => {
  about = told;
  document.title = `label ${told.title}`;
  document.getElementById('title').textContent = `${told.title} \\u2192 ${told.file}`;
  const table = document.getElementById('keys');
  for (const [key, meaning] of Object.entries(told.keys)) {
    const line = table.insertRow();
    const word = document.createElement('kbd');
    word.textContent = /[A-Z]/.test(key) ? `Shift ${key}` : key;
    line.insertCell().append(word);
    cell(line, meaning);
  }
  for (const label of ['', ...told.labels]) { choice.add(new Option(label || 'any', label)); }
  show(told.rows);
});
"""

PAGE = {"html": _HTML, "js": _JS, "css": _CSS}
"""What is served: the page, its script and its style."""
