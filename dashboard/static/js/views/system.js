/** The system: broker, outbox, disk, memory, versions; the log; the configuration as it is in force, and its file. */

import {get} from '../lib/api.js';
import {button, card, h, replace, say, table} from '../lib/dom.js';
import {bytes, duration, number, words} from '../lib/format.js';
import {live, on} from '../lib/live.js';
import {to} from '../lib/router.js';
import {configCard} from './config.js';

const TABS = [
  ['', 'Health'],
  ['config', 'Configuration'],
  ['log', 'Log'],
];
const MOST_LINES = 500;

export async function view({parts}, context) {
  const tab = TABS.some(([name]) => name === parts[0]) ? parts[0] : '';
  const bodies = {'': healthTab, config: configCard, log: logTab};
  const body = await bodies[tab](context);
  return {
    title: 'System',
    element: h(
      'div',
      null,
      h(
        'div',
        {class: 'head'},
        h('h1', null, 'System'),
        h('span', {class: 'grow'}),
        h(
          'nav',
          {class: 'tabs', 'aria-label': 'Parts of the system'},
          TABS.map(([name, title]) =>
            h(
              'a',
              {href: to(name ? ['system', name] : ['system']), 'aria-current': name === tab ? 'page' : null},
              title,
            ),
          ),
        ),
      ),
      body,
    ),
  };
}

async function healthTab({signal}) {
  const box = h('div', {class: 'cards'});
  const load = async () => replace(box, healthCards(await get('/api/system', signal), live.stats));
  await load();
  const timer = setInterval(() => {
    if (!document.hidden) {
      load().catch(() => {});
    }
  }, 5000);
  signal.addEventListener('abort', () => clearInterval(timer));
  return h('div', null, box, camerasCard(signal));
}

function pairs(caption, entries) {
  return h(
    'dl',
    {class: 'pairs', 'aria-label': caption},
    entries
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) =>
        h('div', null, h('dt', null, name), h('dd', null, value instanceof Node ? value : String(value ?? '–'))),
      ),
  );
}

/** Blocks of the answer as cards; a block that this version does not know is shown with its own words. */
function healthCards(system, stats) {
  const service = stats?.service ?? {};
  const {broker, outbox, disk, memory, versions, uptime_s: up = system.uptime ?? service.uptime, ...rest} = system;
  delete rest.uptime;
  return [
    card(
      'Service',
      pairs('Service', [
        ['Version', system.version ?? service.version],
        ['Up for', duration(up)],
        ['Stages restarted', number(service.restarts, 0)],
        ['Last reload', service.reload_error ? h('span', {class: 'fault'}, service.reload_error) : 'taken over'],
        ...Object.entries(service.queues ?? {}).map(([name, depth]) => [`Queue ${words(name)}`, number(depth, 0)]),
      ]),
    ),
    card(
      'Broker',
      pairs(
        'Broker',
        block(broker, service.broker === null ? [['MQTT', 'not configured']] : [['State', service.broker]]),
      ),
    ),
    card(
      'Outbox',
      pairs(
        'Outbox',
        block(outbox, [
          ['Waiting', number(service.spooled, 0)],
          ['Lost', number(service.dropped, 0)],
        ]),
      ),
    ),
    card('Disk', ...list(disk)),
    card('Memory', pairs('Memory', block(memory, [['Process', `${number(service.rss_mb, 0)} MB`]]))),
    card('Versions', pairs('Versions', block(versions, []))),
    ...Object.entries(rest)
      .filter(([, value]) => value && typeof value === 'object')
      .map(([name, value]) => card(words(name), ...list(value))),
  ];
}

/** A block of the system as pairs of name and value; sizes and times by their names. */
function block(value, otherwise) {
  if (value === null || value === undefined) {
    return otherwise;
  }
  if (typeof value !== 'object') {
    return [['State', String(value)]];
  }
  return Object.entries(value).map(([name, one]) => [words(name.replace(/_(bytes|mb|s)$/, '')), valueText(name, one)]);
}

function valueText(name, value) {
  if (value === null || value === undefined) {
    return '–';
  }
  if (typeof value === 'number') {
    if (name === 'port') {
      return String(value);
    }
    if (name.endsWith('_bytes')) {
      return bytes(value);
    }
    if (name.endsWith('_mb')) {
      return bytes(value * 1e6);
    }
    return name.endsWith('_s') ? duration(value) : number(value, Number.isInteger(value) ? 0 : 1);
  }
  return typeof value === 'boolean'
    ? value
      ? 'yes'
      : 'no'
    : typeof value === 'object'
      ? JSON.stringify(value)
      : String(value);
}

function list(value) {
  const several = Array.isArray(value) ? value : [value];
  return several.map((one) => pairs('Details', block(one, [['State', 'not known']])));
}

function camerasCard(signal) {
  const box = h('div');
  const show = (stats) => {
    if (!stats) {
      return;
    }
    replace(
      box,
      table(
        'Cameras',
        [
          'Camera',
          'Status',
          ['Camera fps', 'number'],
          ['Analysed fps', 'number'],
          ['Skipped fps', 'number'],
          ['Reconnects', 'number'],
          ['Observed', 'number'],
          'Reason',
        ],
        Object.entries(stats.cameras ?? {}).map(([name, one]) => [
          h('a', {href: to(['cameras', name])}, name),
          one.status,
          number(one.camera_fps),
          number(one.detection_fps),
          number(one.skipped_fps),
          number(one.reconnects, 0),
          `${number(one.observed_share * 100)} %`,
          one.reason ?? '',
        ]),
      ),
    );
  };
  show(live.stats);
  let last = 0;
  on(
    'stats',
    (stats) => {
      if (performance.now() - last > 4000 && !box.contains(document.activeElement)) {
        last = performance.now();
        show(stats);
      }
    },
    signal,
  );
  return card('Cameras', box);
}

async function logTab({signal}) {
  const lines = h('ol', {class: 'log', tabindex: '0', 'aria-label': 'The last lines of the log'});
  const said = h('p', {class: 'hint', role: 'status'});
  const follow = h('input', {type: 'checkbox', checked: true});
  let after = null;
  const load = async () => {
    const answer = await get(`/api/log?limit=200${after === null ? '' : `&after=${after}`}`, signal);
    const news = answer.lines ?? [];
    after = answer.next ?? answer.last ?? news.at(-1)?.id ?? after;
    for (const line of news) {
      lines.append(h('li', {class: levelOf(line)}, textOf(line)));
    }
    while (lines.children.length > MOST_LINES) {
      lines.firstChild.remove();
    }
    if (news.length && follow.checked) {
      lines.scrollTop = lines.scrollHeight;
    }
    say(said, lines.children.length ? '' : 'Nothing was logged yet.');
  };
  await load();
  queueMicrotask(() => {
    lines.scrollTop = lines.scrollHeight;
  });
  const timer = setInterval(() => {
    if (!document.hidden) {
      load().catch(() => {});
    }
  }, 2000);
  signal.addEventListener('abort', () => clearInterval(timer));
  return card(
    'Log',
    h(
      'div',
      {class: 'row'},
      h('span', {class: 'hint'}, 'Passwords and tokens are left out.'),
      h('span', {class: 'grow'}),
      h('label', {class: 'chip'}, follow, h('span', null, 'Follow')),
      button('Empty the view', {kind: 'quiet', onclick: () => lines.replaceChildren()}),
    ),
    lines,
    said,
  );
}

const textOf = (line) =>
  typeof line === 'string'
    ? line
    : (line.text ?? line.line ?? `${line.time ?? ''} ${line.level ?? ''} ${line.message ?? ''}`.trim());

function levelOf(line) {
  const text = (line.level ?? textOf(line)).toString();
  return /\b(ERROR|CRITICAL)\b/i.test(text) ? 'bad' : /\bWARNING\b/i.test(text) ? 'warn' : '';
}
