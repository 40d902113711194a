/** Results of `compare`: the list, and one as a table; its own report opens beside the page. */

import {get, part} from '../lib/api.js';
import {card, h, icon, table} from '../lib/dom.js';
import {fullMoment, milliseconds, number} from '../lib/format.js';
import {to} from '../lib/router.js';

/** What was compared so far. */
export async function compareList(signal) {
  const said = await get('/api/compares', signal).catch((error) => ({compares: [], why: error.message}));
  const all = said.compares ?? said;
  return card(
    'Results of compare',
    all.length
      ? table(
          'Results of compare',
          ['When', 'Video', 'What', ''],
          all.map((one) => [
            one.at ? fullMoment(one.at) : (one.created ?? '–'),
            one.source ?? one.video ?? '–',
            one.title ?? one.name ?? one.id,
            h('a', {href: to(['frameworks', 'compare', one.id])}, 'Show'),
          ]),
        )
      : h('p', {class: 'empty'}, said.why ?? 'No results of “app.py compare” are in the results folder yet.'),
  );
}

/** One result. */
export async function compareView(id, signal) {
  const said = await get(`/api/compares/${part(id)}`, signal);
  const rows = said.rows ?? said.results ?? said.combinations ?? [];
  return {
    title: 'Compare',
    element: h(
      'div',
      null,
      h(
        'div',
        {class: 'head'},
        h('a', {class: 'button quiet', href: '#/frameworks', 'aria-label': 'Back to the frameworks'}, icon('back')),
        h('h1', null, `Compare ${id}`),
        h('span', {class: 'grow'}),
        h(
          'a',
          {class: 'button', href: `/api/compares/${part(id)}/report`, target: '_blank', rel: 'noopener'},
          'Report with plots',
        ),
      ),
      card(
        'Speed, memory, agreement',
        rows.length ? comparisonTable(rows) : h('pre', {tabindex: '0'}, JSON.stringify(said, null, 1).slice(0, 20000)),
      ),
    ),
  };
}

function comparisonTable(rows) {
  const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((key) =>
    rows.some((row) => row[key] !== null && typeof row[key] !== 'object'),
  );
  return table(
    'Results of each combination',
    keys.map((key) =>
      rows.some((row) => typeof row[key] === 'number')
        ? [key.replaceAll('_', ' '), 'number']
        : key.replaceAll('_', ' '),
    ),
    rows.map((row) => keys.map((key) => cell(key, row[key]))),
  );
}

function cell(key, value) {
  if (typeof value !== 'number') {
    return value === null || value === undefined ? '–' : String(value);
  }
  return key.endsWith('_ms')
    ? milliseconds(value)
    : number(value, Number.isInteger(value) ? 0 : Math.abs(value) < 10 ? 3 : 1);
}
