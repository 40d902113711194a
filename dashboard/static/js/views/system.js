/** The system: broker, outbox, disk, memory, versions; the log; the configuration as it is in force, and its file. */

import {get} from '../lib/api.js';
import {button, card, h, replace, say, table} from '../lib/dom.js';
import {bytes, duration, moment, number, words} from '../lib/format.js';
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
  const load = async () => replace(box, healthCards(await get('/api/system', signal)));
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

const mb = (value) => (value === null || value === undefined ? '–' : bytes(value * 1e6));
const fault = (text) => h('span', {class: 'fault'}, text);
const titled = (title, entries) => card(title, pairs(title, entries));

/** What the server says of the machine and of itself, a card for each. */
function healthCards(system) {
  const {memory} = system;
  const queues = Object.entries(system.queues).map(([name, depth]) => [`Queue ${words(name)}`, number(depth, 0)]);
  const load = system.load.map((one) => number(one, 2)).join(' · ');
  const disks = system.disks.map((disk) =>
    pairs('Disk', [
      ['Holds', disk.holds.join(', ')],
      ['Free', mb(disk.free_mb)],
      ['In all', mb(disk.total_mb)],
    ]),
  );
  return [
    titled('Service', [
      ['Version', system.version],
      ['Up for', duration(system.uptime)],
      ['Process', system.pid],
      ['Threads', system.threads],
      ['Stages restarted', system.restarts],
      ['Last reload', system.reload_error ? fault(system.reload_error) : 'no fault'],
      ...queues,
    ]),
    ...messageCards(system),
    titled('Memory and load', [
      ['Process', mb(memory.rss_mb)],
      ['Free', mb(memory.available_mb)],
      ['In all', mb(memory.total_mb)],
      ['Load, 1 · 5 · 15 min', load],
    ]),
    card('Disks', disks),
    titled('Versions', [...Object.entries(system.versions), ['Platform', system.platform]]),
  ];
}

function messageCards({broker, outbox, history}) {
  return [
    broker
      ? titled('Broker', [
          ['State', broker.state],
          ['Host', `${broker.host}:${broker.port}`],
          ['Prefix', broker.prefix],
          ['Encrypted', broker.tls ? 'yes' : 'no'],
        ])
      : card('Broker', none('No MQTT in the site file.')),
    outbox
      ? titled('Outbox', [
          ['Waiting', number(outbox.waiting, 0)],
          ['Lost', number(outbox.dropped, 0)],
          ['Size', mb(outbox.size_mb)],
        ])
      : card('Outbox', none('No outbox without MQTT.')),
    history
      ? titled('History', [
          ['State', history.fault ? fault(history.fault) : 'is kept'],
          ['Written', number(history.written, 0)],
          ['Events lost', number(history.lost, 0)],
          ['Size', mb(history.size_mb)],
        ])
      : card('History', none('No history is kept.')),
  ];
}

const none = (text) => h('p', {class: 'empty'}, text);

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
  let after = 0;
  const load = async () => {
    const answer = await get(`/api/log?limit=200&after=${after}`, signal);
    after = answer.last;
    lines.append(...answer.lines.map(logLine));
    while (lines.children.length > MOST_LINES) {
      lines.firstChild.remove();
    }
    if (answer.lines.length && follow.checked) {
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

const KINDS = {ERROR: 'bad', CRITICAL: 'bad', WARNING: 'warn'};

function logLine({at, level, logger, message, trace}) {
  return h(
    'li',
    {class: KINDS[level] ?? ''},
    `${moment(at)} ${level} ${logger}: ${message}${trace ? `\n${trace}` : ''}`,
  );
}
