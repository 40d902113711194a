/** Counters as they are now, and over time: a chart for each line, zone and figure of a rule; CSV of the same. */

import {get, withQuery} from '../lib/api.js';
import {cameras, chosen} from '../lib/cameras.js';
import {card, h, icon, replace, say} from '../lib/dom.js';
import {chart, colour} from '../lib/chart.js';
import {number, words, zoned} from '../lib/format.js';
import {on} from '../lib/live.js';
import {failed} from '../lib/notice.js';
import {note} from '../lib/router.js';
import {session} from '../lib/session.js';
import {filters, RANGES, spanOf, withAll} from '../parts/filters.js';

const ALL = '*'; // cameras; no camera can be called so
const MOST_CHARTS = 24;
const MOST_COUNTERS = 300;
const TITLES = {counts: 'Crossings', occupancy: 'In the zone', totals: 'Totals', values: 'Now'};

export async function view({query}, {signal}) {
  const [all, now] = await Promise.all([cameras(signal), get('/api/counts', signal)]);
  const camera = query.camera === ALL ? null : chosen(all, query.camera);
  const state = {
    camera: camera?.name ?? '',
    place: query.place ?? '',
    label: query.label ?? '',
    range: query.range ?? '1h',
  };
  const own = {
    signal,
    state,
    counts: now.counts,
    charts: new Map(),
    box: h('div', {class: 'charts'}),
    tiles: h('ul', {class: 'counters'}),
    shown: new Map(),
    csv: h('a', {class: 'button', download: 'counts.csv'}, icon('download'), h('span', null, 'CSV')),
    said: h('p', {class: 'hint', role: 'status'}),
  };
  const bar = h('div');
  own.drawBar = () => {
    const focused = bar.contains(document.activeElement) ? document.activeElement.name : '';
    replace(bar, choicesOf(own, all));
    if (focused) {
      bar.querySelector(`[name="${focused}"]`)?.focus();
    }
  };
  own.drawBar();
  showTiles(own);
  on(
    'counts',
    ({counts}) => {
      own.counts = counts;
      showTiles(own);
    },
    signal,
  );
  await told(own);
  const timer = setInterval(() => {
    if (!document.hidden) {
      told(own).catch(quiet);
    }
  }, 15000);
  signal.addEventListener('abort', () => clearInterval(timer));
  const element = h(
    'div',
    null,
    h('div', {class: 'head'}, h('h1', null, 'Counts'), h('span', {class: 'grow'}), own.csv),
    bar,
    h('section', {'aria-label': 'Counters now'}, own.tiles),
    own.said,
    own.box,
    h('p', {class: 'hint'}, zoned()),
  );
  return {title: 'Counts', element};
}

const quiet = () => {
  /* the view was left */
};

/** Load the charts, or say in their place why there are none; the counters above are live all the same. */
async function told(own) {
  try {
    await load(own);
  } catch (error) {
    if (error.name === 'AbortError') {
      throw error;
    }
    say(own.said, `The history cannot be read: ${error.message}`);
  }
}

function choicesOf(own, all) {
  const {state} = own;
  const here = own.counts.filter((one) => !state.camera || one.camera === state.camera);
  const made = filters(
    [
      {
        name: 'camera',
        label: 'Camera',
        options: withAll(
          all.map((one) => one.name),
          'All cameras',
          state.camera,
        ),
        value: state.camera,
      },
      {
        name: 'place',
        label: 'Line, zone or rule',
        options: withAll(
          here.map((one) => one.place),
          'All',
          state.place,
        ),
        value: state.place,
      },
      {
        name: 'label',
        label: 'Label',
        options: withAll(here.map((one) => one.label).filter(Boolean), 'All', state.label),
        value: state.label,
      },
      {name: 'range', label: 'Time', options: RANGES.map(([key, title]) => [key, title]), value: state.range},
    ],
    (values) => {
      const other = values.camera !== state.camera;
      Object.assign(state, values, other ? {place: '', label: ''} : {});
      note(['counts'], {...state, camera: state.camera || ALL});
      if (other) {
        own.drawBar();
      }
      showTiles(own);
      told(own).catch(failed);
    },
  );
  return made.element;
}

function wanted(own) {
  const {camera, place, label} = own.state;
  return (one) =>
    (!camera || one.camera === camera) && (!place || one.place === place) && (!label || one.label === label);
}

/** A card for each line, zone and rule, with a row for each label; only what differs is written. */
function showTiles(own) {
  const mine = own.counts.filter(wanted(own)).slice(0, MOST_COUNTERS);
  const shape = JSON.stringify(mine.map(keyOf));
  if (shape !== own.shape) {
    own.shape = shape;
    own.shown.clear();
    replace(
      own.tiles,
      [...Map.groupBy(mine, (one) => [one.camera, one.head, one.place].join('/')).values()].map((group) =>
        countersCard(own, group),
      ),
    );
  }
  for (const one of mine) {
    say(own.shown.get(keyOf(one)), number(one.value, 0));
  }
}

function countersCard(own, group) {
  const [{camera, head, place}] = group;
  const ways = [...new Set(group.map((one) => one.direction ?? ''))];
  const labels = [...new Set(group.map((one) => one.label ?? ''))];
  const cell = (label, way) => {
    const one = group.find((each) => (each.label ?? '') === label && (each.direction ?? '') === way);
    const value = h('td', {class: 'number', dataset: one ? {key: keyOf(one)} : {}});
    if (one) {
      own.shown.set(keyOf(one), value);
    }
    return value;
  };
  return h(
    'li',
    {class: 'counter'},
    h(
      'div',
      {class: 'row'},
      h('strong', null, words(place)),
      h('span', {class: 'hint'}, own.state.camera ? TITLES[head] : `${camera} · ${TITLES[head]}`),
    ),
    h(
      'table',
      null,
      h('caption', {class: 'unseen'}, `${TITLES[head]}: ${words(place)}, camera ${camera}`),
      ways.length > 1 || ways[0]
        ? h(
            'thead',
            null,
            h(
              'tr',
              null,
              h('td'),
              ways.map((way) => h('th', {scope: 'col', class: 'number'}, way)),
            ),
          )
        : null,
      h(
        'tbody',
        null,
        labels.map((label) =>
          h(
            'tr',
            null,
            h('th', {scope: 'row'}, label ? words(label) : 'all'),
            ways.map((way) => cell(label, way)),
          ),
        ),
      ),
    ),
  );
}

const keyOf = (one) => [one.camera, one.head, one.place, one.direction ?? '', one.label ?? ''].join('/');

async function load(own) {
  const {camera, place, label, range} = own.state;
  const query = {camera, place, label, ...spanOf(range)};
  own.csv.href = withQuery('/api/history/counts.csv', query);
  own.csv.hidden = session.dashboard?.history === false;
  if (session.dashboard?.history === false) {
    say(own.said, 'No history is kept (server.history of the site file); the counters above are live.');
    return;
  }
  own.turn = (own.turn ?? 0) + 1;
  const {turn} = own;
  const history = await get(withQuery('/api/history/counts', query), own.signal);
  if (own.signal.aborted || turn !== own.turn) {
    return;
  }
  const groups = grouped(history);
  say(
    own.said,
    groups.length > MOST_CHARTS
      ? `${groups.length} charts would be too many; choose a line, a zone or a label. The first ${MOST_CHARTS} are shown.`
      : groups.length
        ? ''
        : 'Nothing was counted in this time.',
  );
  draw(own, history.times, groups.slice(0, MOST_CHARTS), query.step);
}

/** One group for each camera, head and place; a chart each. */
function grouped(history) {
  const groups = new Map();
  for (const one of history.series) {
    const key = [one.camera, one.head, one.place].join('/');
    if (!groups.has(key)) {
      groups.set(key, {key, camera: one.camera, head: one.head, place: one.place, series: []});
    }
    groups.get(key).series.push(one);
  }
  return [...groups.values()];
}

function draw(own, times, groups, step) {
  const keys = new Set(groups.map((group) => group.key));
  for (const [key, made] of own.charts) {
    if (!keys.has(key)) {
      made.ending.abort();
      made.card.remove();
      own.charts.delete(key);
    }
  }
  for (const group of groups) {
    let made = own.charts.get(group.key);
    if (!made) {
      const ending = new AbortController();
      own.signal.addEventListener('abort', () => ending.abort(), {signal: ending.signal});
      const title = `${TITLES[group.head] ?? group.head}: ${group.place.replaceAll('_', ' ')}`;
      const stepped = group.head !== 'occupancy' && group.head !== 'values';
      const one = chart(`${title}, camera ${group.camera}`, {stepped: !stepped, whole: true, height: 190}, ending.signal);
      const sub = h('span', {class: 'hint'});
      made = {
        ending,
        chart: one,
        sub,
        card: card(null, h('div', {class: 'row'}, h('h2', null, title), sub), one.element),
      };
      own.charts.set(group.key, made);
      own.box.append(made.card);
    }
    say(
      made.sub,
      `${group.camera} · ${group.head === 'counts' || group.head === 'totals' ? `per ${stepName(step)}` : `most at once in ${stepName(step)}`}`,
    );
    made.chart.update(times, lines(group));
  }
}

function stepName(step) {
  if (step < 60) {
    return `${step} s`;
  }
  return step < 3600 ? `${step / 60} min` : `${step / 3600} h`;
}

/** Labels have colours, `out` is dashed; what is zero all the time is left out where something else is not. */
function lines(group) {
  const labels = [...new Set(group.series.map((one) => one.label ?? ''))].sort();
  const busy = group.series.filter((one) => valuesOf(one).some((value) => value));
  return (busy.length ? busy : group.series.slice(0, 2)).map((one) => ({
    name: [one.direction, one.label].filter(Boolean).join(' ') || group.place,
    values: valuesOf(one),
    colour: colour(labels.indexOf(one.label ?? '')),
    dash: one.direction === 'out' ? [5, 4] : undefined,
  }));
}

/** How many came in each step, or the most that were there at once. */
function valuesOf(one) {
  return one.peaks ?? one.values;
}
