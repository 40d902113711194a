/** Frameworks side by side: speed and latency now and over time, the switch of a camera's runtime, results of `compare`. */

import {get, part, put, withQuery} from '../lib/api.js';
import {cameras} from '../lib/cameras.js';
import {button, card, field, h, replace, say, select, table} from '../lib/dom.js';
import {chart, colour} from '../lib/chart.js';
import {milliseconds, number} from '../lib/format.js';
import {live, on} from '../lib/live.js';
import {done, failed} from '../lib/notice.js';
import {note} from '../lib/router.js';
import {session} from '../lib/session.js';
import {filters, RANGES, spanOf} from '../parts/filters.js';
import {SiteFile} from '../parts/saving.js';
import {compareList, compareView} from './compare.js';

export async function view({parts, query}, context) {
  const {signal} = context;
  if (parts[0] === 'compare' && parts[1]) { return compareView(parts[1], signal); }
  const [all, runtimes, file] = await Promise.all([cameras(signal), get('/api/runtimes', signal), new SiteFile().load(signal)]);
  const own = {signal, all, runtimes: runtimes.runtimes ?? runtimes, file, range: query.range ?? '1h'};
  const element = h('div', null, h('div', {class: 'head'}, h('h1', null, 'Frameworks')),
    card('Detectors now', nowTable(own)), switchCard(own), await overTime(own), await compareList(signal));
  return {title: 'Frameworks', element};
}

const CELLS = [['fps', (one) => number(one.fps)], ['p50', (one) => milliseconds(one.inference_ms?.p50)], ['p95', (one) => milliseconds(one.inference_ms?.p95)], ['p99', (one) => milliseconds(one.inference_ms?.p99)],
  ['latency', (one) => milliseconds(one.latency_ms?.p95)], ['skipped', (one) => number(one.skipped_fps)], ['frames', (one) => number(one.frames, 0)]];

function nowTable(own) {
  const box = h('div');
  const said = h('p', {class: 'hint'});
  let shape = '';
  let rows = [];
  const show = (stats) => {
    if (!stats) { return; }
    const all = Object.entries(stats.detectors ?? {});
    const now = JSON.stringify(all.map(([name, one]) => [name, one.framework, one.model, one.device, one.precision]));
    if (now !== shape) {
      shape = now;
      rows = all.map(([name, one]) => [name, one.framework, `${one.model} ${one.imgsz?.join('×') ?? ''}`, `${one.device} · ${one.precision}`, ...CELLS.map(() => h('span'))]);
      const right = (text) => [text, 'number'];
      replace(box, table('Detectors and their speed', ['Detector', 'Framework', 'Model', 'Device', right('Frames/s'), right('Inference p50'), right('p95'), right('p99'), right('Capture to result p95'), right('Skipped/s'), right('Frames')], rows), said);
    }
    all.forEach(([, one], index) => CELLS.forEach(([, text], cell) => say(rows[index][4 + cell], text(one))));
    say(said, `Memory of the process: ${number(stats.service?.rss_mb, 0)} MB`);
  };
  show(live.stats);
  on('stats', show, own.signal);
  if (!live.stats) { replace(box, h('p', {class: 'empty'}, 'Waiting for the first figures …')); }
  return box;
}

function switchCard(own) {
  const {all, runtimes, file, signal} = own;
  const locked = file.reason !== null;
  const camera = select(all.map((one) => one.name), all[0]?.name, {onchange: () => start(), disabled: locked, name: 'camera'});
  const runtime = select(runtimes.map((one) => [one.name, one.installed ? one.name : `${one.name} (${one.reason ?? 'not installed'})`, !one.installed]), '', {onchange: () => precisions(), disabled: locked, name: 'runtime'});
  const precision = h('select', {disabled: locked, name: 'precision'});
  const said = h('p', {class: 'fault', role: 'alert', hidden: true});
  const before = h('div');
  const pace = chart('Frames per second of the camera, the last minutes', {height: 140, empty: 'Waiting for figures …'}, signal);
  const delay = chart('Milliseconds from capture to result of the camera (p95), the last minutes', {height: 140, unit: 'ms', empty: 'Waiting for figures …'}, signal);
  let mark = null;
  const precisions = () => {
    const known = runtimes.find((one) => one.name === runtime.value)?.precisions ?? ['fp32'];
    const old = precision.value;
    replace(precision, known.map((name) => h('option', {value: name}, name)));
    precision.value = known.includes(old) ? old : known[0] ?? '';
  };
  const start = () => {
    const one = all.find((each) => each.name === camera.value);
    const detector = file.config?.in_force?.detectors?.[one?.detectors?.[0]] ?? {};
    const stats = live.stats?.detectors?.[one?.detectors?.[0]];
    runtime.value = detector.runtime ?? stats?.framework ?? runtimes.find((each) => each.installed)?.name ?? '';
    precisions();
    precision.value = detector.precision ?? stats?.precision ?? precision.value;
    mark = null;
    show();
  };
  const show = () => {
    const samples = live.samples.slice(-300);
    const of = (pick) => samples.map((sample) => pick(sample.cameras[camera.value] ?? {}) ?? null);
    const times = samples.map((sample) => sample.t);
    pace.update(times, [{name: 'frames/s', values: of((one) => one.fps), colour: colour(0)}]);
    delay.update(times, [{name: 'capture to result p95', values: of((one) => one.p95), colour: colour(1)}]);
    if (mark) { replace(before, comparison(mark, live.stats, camera.value, all)); }
  };
  const apply = button('Switch', {kind: 'first', disabled: locked, onclick: async () => {
    apply.disabled = true;
    said.hidden = true;
    try {
      const then = snapshot(live.stats, camera.value, all);
      const answer = await file.save((revision) => put(`/api/cameras/${part(camera.value)}/detector`, {revision, runtime: runtime.value, precision: precision.value}));
      if (answer === 'saved') { mark = then; done(`${camera.value}: ${runtime.value} ${precision.value} is being loaded; the old one works until then.`); }
      if (answer === 'theirs') { start(); }
    } catch (error) {
      said.hidden = false;
      say(said, error.message);
    } finally {
      apply.disabled = locked;
    }
  }});
  start();
  on('stats', show, signal);
  on('config', (heard) => { if (heard.error) { said.hidden = false; say(said, heard.error); } else { file.load(signal).then(() => file.refreshUndo?.()).catch(() => {}); } }, signal);
  return card('Switch the runtime of a camera', locked ? h('p', {class: 'note', role: 'status'}, file.reason) : null,
    h('div', {class: 'row'}, field('Camera', camera), field('Runtime', runtime), field('Precision', precision), h('span', {class: 'grow'}), file.undoButton(async () => start(), signal), apply), said, before, h('div', {class: 'charts'}, pace.element, delay.element));
}

function snapshot(stats, camera, all) {
  const detector = all.find((one) => one.name === camera)?.detectors?.[0];
  const [seen, model] = [stats?.cameras?.[camera] ?? {}, stats?.detectors?.[detector] ?? {}];
  return {framework: model.framework, precision: model.precision, fps: seen.detection_fps, p50: model.inference_ms?.p50, p95: model.inference_ms?.p95, latency: seen.latency_ms?.p95, rss: stats?.service?.rss_mb};
}

function comparison(before, stats, camera, all) {
  const now = snapshot(stats, camera, all);
  const row = (title, pick) => [title, pick(before), pick(now)];
  return table('Before and now', ['', ['Before', 'number'], ['Now', 'number']], [row('Runtime', (one) => `${one.framework ?? '–'} ${one.precision ?? ''}`), row('Frames/s of the camera', (one) => number(one.fps)),
    row('Inference p50', (one) => milliseconds(one.p50)), row('Inference p95', (one) => milliseconds(one.p95)), row('Capture to result p95', (one) => milliseconds(one.latency)), row('Memory of the process', (one) => `${number(one.rss, 0)} MB`)]);
}

const FIGURES = [['fps', 'Frames per second', ''], ['p50', 'Inference p50', 'ms'], ['p95', 'Inference p95', 'ms'], ['p99', 'Inference p99', 'ms'], ['rss_mb', 'Memory of the process', 'MB']];

async function overTime(own) {
  if (session.dashboard?.history === false) { return card('Over time', h('p', {class: 'empty'}, 'No history is kept (server.history of the site file).')); }
  const made = FIGURES.map(([key, title, unit]) => ({key, chart: chart(`${title} of each framework`, {unit, height: 160}, own.signal), title}));
  const load = async () => {
    const said = await get(withQuery('/api/history/detectors', spanOf(own.range)), own.signal);
    const series = said.series ?? said.frameworks ?? said.detectors ?? [];
    for (const {key, chart: one} of made) {
      one.update(said.times ?? [], series.filter((each) => each[key]).map((each, index) => ({name: [each.framework, each.precision, each.device].filter(Boolean).join(' ') || each.name, values: each[key], colour: colour(index)})));
    }
  };
  const bar = filters([{name: 'range', label: 'Time', options: RANGES.map(([key, title]) => [key, title]), value: own.range}], ({range}) => { own.range = range; note(['frameworks'], {range}); load().catch(failed); });
  await load();
  const timer = setInterval(() => { if (!document.hidden) { load().catch(() => {}); } }, 15000);
  own.signal.addEventListener('abort', () => clearInterval(timer));
  return h('section', null, h('div', {class: 'row'}, h('h2', null, 'Over time'), h('span', {class: 'grow'}), bar.element),
    h('div', {class: 'charts'}, made.map((one) => card(null, h('h3', null, one.title), one.chart.element))));
}
