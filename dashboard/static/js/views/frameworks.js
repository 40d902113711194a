/** Frameworks side by side: speed and latency now and over time, the switch of a camera's runtime, results of `compare`. */

import {get, withQuery} from '../lib/api.js';
import {cameras} from '../lib/cameras.js';
import {card, h, replace, say, table} from '../lib/dom.js';
import {chart, colour} from '../lib/chart.js';
import {megabytes, milliseconds, number} from '../lib/format.js';
import {live, on} from '../lib/live.js';
import {failed} from '../lib/notice.js';
import {note} from '../lib/router.js';
import {session} from '../lib/session.js';
import {filters, RANGES, spanOf} from '../parts/filters.js';
import {SiteFile} from '../parts/saving.js';
import {compareList, compareView} from './compare.js';
import {runtimeSwitch} from './runtime-switch.js';

export async function view({parts, query}, context) {
  const {signal} = context;
  if (parts[0] === 'compare' && parts[1]) {
    return compareView(parts[1], signal);
  }
  const [all, runtimes, file] = await Promise.all([
    cameras(signal),
    get('/api/runtimes', signal),
    new SiteFile().load(signal),
  ]);
  const own = {signal, all, runtimes: runtimes.runtimes ?? runtimes, file, range: query.range ?? '1h'};
  const element = h(
    'div',
    null,
    h('div', {class: 'head'}, h('h1', null, 'Frameworks')),
    card('Detectors now', nowTable(own)),
    runtimeSwitch(own),
    await overTime(own),
    await compareList(signal).catch(comparesFault),
  );
  return {title: 'Frameworks', element};
}

/** In the place of the list, where it cannot be read. */
function comparesFault(error) {
  if (error.name === 'AbortError') {
    throw error;
  }
  return card('Results of compare', h('p', {class: 'fault'}, error.message));
}

const CELLS = [
  ['fps', (one) => number(one.fps)],
  ['p50', (one) => milliseconds(one.inference_ms?.p50)],
  ['p95', (one) => milliseconds(one.inference_ms?.p95)],
  ['p99', (one) => milliseconds(one.inference_ms?.p99)],
  ['latency', (one) => milliseconds(one.latency_ms?.p95)],
  ['skipped', (one) => number(one.skipped_fps)],
  ['frames', (one) => number(one.frames, 0)],
  ['memory', (one) => megabytes(one.load_mb)],
];

function nowTable(own) {
  const box = h('div');
  const said = h('p', {class: 'hint'});
  let shape = '';
  let rows = [];
  const show = (stats) => {
    if (!stats) {
      return;
    }
    const all = Object.entries(stats.detectors ?? {});
    const now = JSON.stringify(all.map(([name, one]) => [name, one.framework, one.model, one.device, one.precision]));
    if (now !== shape) {
      shape = now;
      rows = all.map(([name, one]) => [
        name,
        one.framework,
        h('span', {class: 'whole'}, `${one.model} ${one.imgsz?.join('×') ?? ''}`),
        h('span', {class: 'whole'}, `${one.device} · ${one.precision}`),
        ...CELLS.map(() => h('span')),
      ]);
      const right = (text) => [text, 'number'];
      replace(
        box,
        table(
          'Detectors and their speed',
          [
            'Detector',
            'Framework',
            'Model',
            'Device',
            right('FPS'),
            right('Inference\u00a0p50'),
            right('p95'),
            right('p99'),
            right('Capture\u00a0to result\u00a0p95'),
            right('Skipped/s'),
            right('Frames'),
            right('Memory'),
          ],
          rows,
          {class: 'many'},
        ),
        said,
      );
    }
    all.forEach(([, one], index) => CELLS.forEach(([, text], cell) => say(rows[index][4 + cell], text(one))));
    say(
      said,
      'Memory: what the process grew by while that detector was loaded; less where its framework was there already. ' +
        `The whole process has ${megabytes(stats.service?.rss_mb)} now.`,
    );
  };
  show(live.stats);
  on('stats', show, own.signal);
  if (!live.stats) {
    replace(box, h('p', {class: 'empty'}, 'Waiting for the first figures …'));
  }
  return box;
}

const FIGURES = [
  ['fps', 'Frames per second', 'FPS'],
  ['p50', 'Inference p50', 'ms'],
  ['p95', 'Inference p95', 'ms'],
  ['p99', 'Inference p99', 'ms'],
  ['rss_mb', 'Memory of the whole process', 'MB'],
];

/** The series of one figure; memory is the process's, the same whichever detector it was noted with. */
function seriesOf(key, detectors, times) {
  if (key !== 'rss_mb') {
    return detectors
      .filter((each) => each[key])
      .map((each, index) => ({name: seriesName(each, detectors), values: each[key], colour: colour(index)}));
  }
  const noted = (at) => detectors.map((each) => each[key]?.[at] ?? null).find((one) => one !== null);
  const values = times.map((_, at) => noted(at) ?? null);
  return detectors.length ? [{name: 'process', values, colour: colour(0)}] : [];
}

/** Framework, precision and device; with the detector's name where that is not one alone. */
function seriesName(one, all) {
  const what = (each) => [each.framework, each.precision, each.device].filter(Boolean).join(' ') || each.name;
  return all.filter((each) => what(each) === what(one)).length > 1 ? `${what(one)} (${one.name})` : what(one);
}

async function overTime(own) {
  if (session.dashboard?.history === false) {
    return card('Over time', h('p', {class: 'empty'}, 'No history is kept (server.history of the site file).'));
  }
  const made = FIGURES.map(([key, title, unit]) => ({
    key,
    chart: chart(key === 'rss_mb' ? title : `${title} of each framework`, {unit, height: 160}, own.signal),
    title,
  }));
  const fault = h('p', {class: 'hint', role: 'status'});
  const read = async () => {
    const said = await get(withQuery('/api/history/detectors', spanOf(own.range)), own.signal);
    const times = said.times ?? [];
    for (const {key, chart: one} of made) {
      one.update(times, seriesOf(key, said.detectors, times));
    }
  };
  const load = async () => {
    try {
      await read();
      say(fault, '');
    } catch (error) {
      if (error.name === 'AbortError') {
        throw error;
      }
      say(fault, `The history cannot be read: ${error.message}`);
    }
  };
  const bar = filters(
    [{name: 'range', label: 'Time', options: RANGES.map(([key, title]) => [key, title]), value: own.range}],
    ({range}) => {
      own.range = range;
      note(['frameworks'], {range});
      load().catch(failed);
    },
  );
  await load();
  const timer = setInterval(() => {
    if (!document.hidden) {
      load().catch(() => {});
    }
  }, 15000);
  own.signal.addEventListener('abort', () => clearInterval(timer));
  return h(
    'section',
    {class: 'part'},
    h('div', {class: 'row'}, h('h2', null, 'Over time'), h('span', {class: 'grow'}), bar.element),
    fault,
    h(
      'div',
      {class: 'charts small'},
      made.map((one) => card(null, h('h3', null, one.title), one.chart.element)),
    ),
  );
}
