/** What comes by itself: server-sent events, connected again after every fault, and the last minutes of figures. */

import {measured} from './format.js';

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15000;
const SILENCE_MS = 12000; // stats come each second; a connection that says nothing is no connection
const KEPT_SAMPLES = 900;
const NAMES = ['stats', 'counts', 'event', 'config', 'status'];

const bus = new EventTarget();
let source = null;
let wait = FIRST_WAIT_MS;
let timer = null;
let wanted = false;
let lastHeard = 0;
let configSeen = false; // the first one of a connection tells how it is, not that it changed

/** The newest of everything; `samples` are `{t, cameras, detectors}` of the last 15 minutes. */
export const live = {state: 'closed', stats: null, counts: [], config: null, samples: []};

/** Call `act(data)` at each 'stats', 'counts', 'event', 'config', 'status' or 'state', until the signal aborts. */
export function on(name, act, signal) {
  bus.addEventListener(name, (event) => act(event.detail), {signal});
}

/** Connect, and stay so while the page can be seen: a hidden tab holds no connection. */
export function start() {
  if (wanted) {
    return;
  }
  wanted = true;
  connect();
}

/** End it. */
export function stop() {
  wanted = false;
  close('closed');
}

document.addEventListener('visibilitychange', () => {
  if (!wanted) {
    return;
  }
  if (document.hidden) {
    close('paused');
  } else {
    wait = FIRST_WAIT_MS;
    connect();
  }
});

setInterval(() => {
  if (source && performance.now() - lastHeard > SILENCE_MS) {
    again();
  }
}, 3000);

function close(state) {
  clearTimeout(timer);
  source?.close();
  source = null;
  tell(state);
}

function connect() {
  if (!wanted || document.hidden || source) {
    return;
  }
  tell('connecting');
  lastHeard = performance.now();
  configSeen = false;
  source = new EventSource('/api/stream');
  source.addEventListener('open', () => {
    wait = FIRST_WAIT_MS;
    tell('open');
  });
  source.addEventListener('error', again);
  for (const name of NAMES) {
    source.addEventListener(name, (event) => hear(name, event.data));
  }
}

function again() {
  close('lost');
  timer = setTimeout(connect, wait * (0.75 + Math.random() / 2));
  wait = Math.min(wait * 2, LONGEST_WAIT_MS);
}

function tell(state) {
  if (live.state === state) {
    return;
  }
  live.state = state;
  bus.dispatchEvent(new CustomEvent('state', {detail: state}));
}

function hear(name, text) {
  lastHeard = performance.now();
  const data = JSON.parse(text);
  if (name === 'config' && !isNews(data)) {
    return;
  }
  if (name === 'stats') {
    takeStats(data);
  }
  if (name === 'counts') {
    live.counts = data.counts;
  }
  bus.dispatchEvent(new CustomEvent(name, {detail: data}));
}

/** Take what was asked of the configuration for what the stream would have told. */
export function hearConfig({reloads, reload_error, read_revision}) {
  live.config = {reloads, reload_error, read_revision};
  bus.dispatchEvent(new CustomEvent('config', {detail: live.config}));
}

/** Whether the configuration has changed; the first of a connection says how it is, which may be known already. */
function isNews(config) {
  const before = live.config;
  const first = !configSeen;
  live.config = config;
  configSeen = true;
  const same = ['reloads', 'reload_error', 'read_revision'].every((key) => before?.[key] === config[key]);
  return !first || (before !== null && !same);
}

function takeStats(stats) {
  live.stats = stats;
  const figures = (table, pick) =>
    Object.fromEntries(Object.entries(table ?? {}).map(([key, one]) => [key, pick(one)]));
  live.samples.push({
    t: Date.now() / 1000,
    cameras: figures(stats.cameras, (one) => ({fps: one.detection_fps, p95: measured(one.latency_ms?.p95)})),
    detectors: figures(stats.detectors, (one) => ({
      fps: one.fps,
      p50: measured(one.inference_ms?.p50),
      p95: measured(one.inference_ms?.p95),
    })),
    rss: stats.service?.rss_mb ?? null,
  });
  if (live.samples.length > KEPT_SAMPLES) {
    live.samples.splice(0, live.samples.length - KEPT_SAMPLES);
  }
}
