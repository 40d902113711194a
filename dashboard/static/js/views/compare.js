/** Results of `compare`: the list, and one as a table; its own report, with plots, opens beside the page. */

import {get, part} from '../lib/api.js';
import {card, h, icon, table} from '../lib/dom.js';
import {fullMoment, milliseconds, number, scalar, words} from '../lib/format.js';
import {to} from '../lib/router.js';

/** What was compared so far. */
export async function compareList(signal) {
  const {compares} = await get('/api/compares', signal);
  const empty = h('p', {class: 'empty'}, 'There is no result of “app.py compare” in the results folder yet.');
  const heads = ['When', 'Of', 'Videos', ['Rows', 'number'], 'Fastest', ''];
  return card(
    'Results of compare',
    compares.length ? table('Results of compare', heads, compares.map(listRow)) : empty,
  );
}

function listRow(one) {
  const best = one.fastest
    ? `${one.fastest.runtime} ${one.fastest.precision}, ${number(one.fastest.fps)} frames/s`
    : '–';
  const rows = one.failed ? `${one.rows} (${one.failed} failed)` : one.rows;
  const link = one.fault
    ? h('span', {class: 'fault'}, one.fault)
    : h(
        'a',
        {href: to(['frameworks', 'compare', one.id]), 'aria-label': `Show ${one.folder}, ${fullMoment(one.at)}`},
        'Show',
      );
  return [fullMoment(one.at), `${one.kind} · ${one.folder}`, one.videos.join(', ') || '–', rows, best, link];
}

/** One result. */
export async function compareView(id, signal) {
  const result = await get(`/api/compares/${part(id)}`, signal);
  const head = h(
    'div',
    {class: 'head'},
    h('a', {class: 'button quiet', href: '#/frameworks', 'aria-label': 'Back to the frameworks'}, icon('back')),
    h('h1', null, `Comparison of ${result.made ? fullMoment(Date.parse(result.made) / 1000) : id}`),
    h('span', {class: 'grow'}),
    h(
      'a',
      {class: 'button', href: `/api/compares/${part(id)}/report`, target: '_blank', rel: 'noopener'},
      'Report with plots',
    ),
  );
  const about = ['reference', 'frames', 'rounds', 'camera_fps']
    .filter((key) => result[key] !== undefined && result[key] !== null)
    .map((key) => `${words(key)} ${scalar(result[key])}`);
  const cpu = result.machine?.cpu
    ? [`${result.machine.cpu}, ${result.machine.threads ?? result.machine.cores} threads`]
    : [];
  const advice = (result.recommendation ?? []).filter((one) => typeof one === 'string');
  return {
    title: 'Comparison',
    element: h(
      'div',
      null,
      head,
      h('p', {class: 'hint'}, [...about, ...cpu].join(' · ')),
      h(
        'div',
        null,
        advice.map((text) => h('p', null, text)),
      ),
      card('Speed, memory, agreement', resultTable(result.rows)),
    ),
  };
}

const COLUMNS = [
  ['Runtime', (row) => row.runtime],
  ['Precision', (row) => row.precision],
  ['Device', (row) => row.device],
  ['Model', (row) => row.model],
  ['Size', (row) => row.imgsz],
  ['Batch', (row) => row.batch],
  ['Frames/s', (row) => row.fps, number],
  ['Total p50', (row) => row.ms?.total?.p50, milliseconds],
  ['p95', (row) => row.ms?.total?.p95, milliseconds],
  ['p99', (row) => row.ms?.total?.p99, milliseconds],
  ['Memory', (row) => row.rss_mb, (value) => `${number(value, 0)} MB`],
  ['Start', (row) => row.start_s, (value) => `${number(value)} s`],
  ['Boxes alike', (row) => row.agreement?.iou50, (value) => `${number(value * 100)} %`],
  ['mAP50-95', (row) => row.map?.map50_95, (value) => number(value, 3)],
  ['Same counts', (row) => row.counts?.same],
  ['Fault', (row) => row.error],
];

/** Columns in which some row has something; of training, whatever is a plain value. */
function resultTable(rows) {
  const known = COLUMNS.filter(([, pick]) => rows.some((row) => pick(row) !== null && pick(row) !== undefined));
  const plain = [...new Set(rows.flatMap(Object.keys))]
    .filter((key) => rows.some((row) => row[key] !== null && typeof row[key] !== 'object'))
    .map((key) => [words(key), (row) => row[key]]);
  const columns = known.length > 4 ? known : plain;
  const heads = columns.map(([title, pick]) =>
    rows.some((row) => typeof pick(row) === 'number') ? [title, 'number'] : title,
  );
  return table(
    'Results of each combination',
    heads,
    rows.map((row) => columns.map(([, pick, show]) => cell(pick(row), show))),
  );
}

function cell(value, show) {
  if (value === null || value === undefined) {
    return '–';
  }
  return show ? show(value) : scalar(value);
}
