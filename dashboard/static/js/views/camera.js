/** One camera large: the live view, what is counted there, the last events, its switches. */

import {cameras, command, counterName, livePath, statusPill} from '../lib/cameras.js';
import {get, part} from '../lib/api.js';
import {button, card, h, icon, replace, rewrite, say, table} from '../lib/dom.js';
import {milliseconds, number, stateLine, words} from '../lib/format.js';
import {live, on} from '../lib/live.js';
import {play} from '../lib/mjpeg.js';
import {failed} from '../lib/notice.js';
import {to} from '../lib/router.js';
import {may, session} from '../lib/session.js';
import {eventList} from '../parts/event-list.js';
import {layersControl} from '../parts/layers.js';

const SHOWN_EVENTS = 8;
const FPS = 12;

export async function cameraView(name, query, {signal}) {
  const all = await cameras(signal);
  const camera = all.find((one) => one.name === name);
  if (!camera) {
    throw new Error(`There is no camera ${name}.`);
  }
  const status = statusPill(camera.status);
  const picture = livePicture(camera, signal);
  const own = {camera, status, reason: h('p', {class: 'reason-line'}), picture, signal};
  const element = h(
    'div',
    null,
    h(
      'div',
      {class: 'head'},
      h(
        'a',
        {class: 'button quiet', href: '#/cameras', 'aria-label': 'All cameras', title: 'All cameras'},
        icon('back'),
      ),
      h('h1', null, name),
      status.element,
      h('span', {class: 'grow'}),
      switcher(all, name),
    ),
    own.reason,
    h(
      'div',
      {class: 'split'},
      h('div', {class: 'large'}, picture.element, picture.controls, figuresCard(own)),
      h('div', {class: 'side'}, switchesCard(own), countsCard(own), eventsCard(own), rulesCard(own)),
    ),
  );
  return {title: name, element};
}

function switcher(all, name) {
  return h(
    'nav',
    {class: 'chips', 'aria-label': 'Other cameras'},
    all.map((one) =>
      h(
        'a',
        {class: 'chip-link', href: to(['cameras', one.name]), 'aria-current': one.name === name ? 'page' : null},
        one.name,
      ),
    ),
  );
}

function livePicture(camera, signal) {
  const canvas = h('canvas', {
    id: 'live',
    width: camera.size?.[0] || 640,
    height: camera.size?.[1] || 360,
    role: 'img',
    'aria-label': `Live picture of camera ${camera.name}`,
  });
  const said = h('p', {class: 'reason', role: 'status'});
  const element = h('div', {class: 'picture big', dataset: {state: 'waiting'}}, canvas, said);
  let player = null;
  const layers = layersControl(() => player.restart());
  const width = () =>
    Math.min(1920, Math.max(320, Math.ceil(((canvas.clientWidth || 960) * Math.min(devicePixelRatio, 2)) / 160) * 160));
  queueMicrotask(() => {
    player = play(
      canvas,
      () => livePath(camera.name, {layers: layers.text(), width: width(), fps: FPS}),
      (state, text) => {
        element.dataset.state = state;
        say(said, text);
      },
      signal,
    );
  });
  return {element, controls: layers.element};
}

function figuresCard(own) {
  const names = [
    ['Camera', 'camera_fps', 'fps'],
    ['Analysed', 'detection_fps', 'fps'],
    ['Skipped', 'skipped_fps', 'fps'],
    ['Latency p50', 'p50'],
    ['Latency p95', 'p95'],
    ['Latency p99', 'p99'],
    ['Reconnects', 'reconnects', ''],
    ['Observed', 'observed_share', '%'],
  ];
  const cells = new Map(names.map(([, key]) => [key, h('dd', null, '–')]));
  const show = (one) => {
    if (!one) {
      return;
    }
    own.status.update(one.status);
    say(own.reason, one.reason ?? '');
    for (const [, key, unit] of names) {
      const text =
        key.startsWith('p') && unit === undefined
          ? milliseconds(one.latency_ms?.[key])
          : unit === '%'
            ? `${number(one[key] * 100)} %`
            : `${number(one[key])}${unit ? ` ${unit}` : ''}`;
      say(cells.get(key), text);
    }
  };
  show(live.stats?.cameras?.[own.camera.name] ?? own.camera.figures);
  on('stats', (stats) => show(stats.cameras?.[own.camera.name]), own.signal);
  return h(
    'dl',
    {class: 'figures-grid'},
    names.map(([title, key]) => h('div', null, h('dt', null, title), cells.get(key))),
  );
}

function switchesCard(own) {
  const {camera} = own;
  const allowed = may('operate');
  const make = (name, title, value) => {
    const box = h('input', {
      type: 'checkbox',
      role: 'switch',
      checked: value,
      disabled: !allowed,
      onchange: async () => {
        try {
          await command(camera.name, name, box.checked);
        } catch (error) {
          box.checked = !box.checked;
          failed(error);
        }
      },
    });
    return {box, element: h('label', {class: 'switch'}, h('span', null, title), box)};
  };
  const enabled = make('enabled', 'Camera connected', camera.enabled ?? true);
  const detecting = make('detect', 'Detection', camera.detecting ?? true);
  on(
    'status',
    ({cameras: known}) => {
      const one = known.find((each) => each.name === camera.name);
      enabled.box.checked = one?.enabled ?? false;
      detecting.box.checked = one?.detecting ?? false;
    },
    own.signal,
  );
  return card(
    null,
    h('div', {class: 'row'}, enabled.element, detecting.element),
    h(
      'div',
      {class: 'row'},
      h(
        'a',
        {class: 'button', href: to(['setup', camera.name, 'lines'])},
        icon('zone'),
        h('span', null, 'Lines and zones'),
      ),
      h('a', {class: 'button', href: to(['setup', camera.name, 'rules'])}, icon('system'), h('span', null, 'Rules')),
    ),
    h(
      'p',
      {class: 'hint'},
      `Detector: ${(camera.detectors ?? []).join(', ') || '–'}${camera.scenario ? ` · scenario ${camera.scenario}` : ''}`,
    ),
  );
}

function countsCard(own) {
  const box = h('div', {id: 'camera-counts'});
  const heads = ['Counter', ['Value', 'number']];
  const none = h('p', {class: 'empty'}, 'Nothing is counted here yet.');
  let made = null;
  const show = (counts) => {
    const mine = counts.filter((one) => one.camera === own.camera.name && (one.value !== 0 || one.head !== 'values'));
    const rows = mine
      .slice(0, 60)
      .map((one) => [`${one.head === 'occupancy' ? 'in ' : ''}${counterName(one)}`, number(one.value, 0)]);
    if (!rows.length) {
      made = null;
      replace(box, none);
      return;
    }
    if (made === null) {
      made = table('Counters of this camera', heads, []);
      replace(box, made);
    }
    rewrite(made, heads, rows);
  };
  show(live.counts);
  get('/api/counts', own.signal)
    .then((said) => show(said.counts))
    .catch(failed);
  on('counts', ({counts}) => show(counts), own.signal);
  return card('Counts', box);
}

function eventsCard(own) {
  const {name} = own.camera;
  const all = h('a', {href: to(['events'], {camera: name})}, 'All events of this camera');
  if (session.dashboard?.history === false) {
    return card('Last events', h('p', {class: 'empty'}, 'No history is kept (server.history of the site file).'));
  }
  const none = h('p', {class: 'empty'}, 'No event yet.');
  const changed = (list) => {
    none.hidden = list.element.children.length > 0;
  };
  const list = eventList(
    {
      asked: () => ({camera: name}),
      fits: (event) => event.camera === name,
      page: SHOWN_EVENTS,
      most: SHOWN_EVENTS,
      short: true,
      changed,
    },
    own.signal,
  );
  list.load().catch(failed);
  return card('Last events', list.element, none, all);
}

function rulesCard(own) {
  const box = h('div');
  const load = async () => {
    const {rules} = await get(`/api/cameras/${part(own.camera.name)}/rules`, own.signal);
    replace(
      box,
      rules.length
        ? h(
            'ul',
            {class: 'plain'},
            rules.map((rule) =>
              h(
                'li',
                null,
                h(
                  'details',
                  null,
                  h(
                    'summary',
                    null,
                    h('span', {class: 'tag'}, words(rule.kind)),
                    ` ${words(rule.name)} `,
                    rule.off_reason ? h('span', {class: 'hint'}, 'off') : null,
                  ),
                  rule.off_reason
                    ? h('p', {class: 'hint'}, rule.off_reason)
                    : h('p', {class: 'hint'}, stateLine(rule.state, 30) || 'on'),
                ),
              ),
            ),
          )
        : h('p', {class: 'empty'}, 'No rules.'),
    );
  };
  load().catch(failed);
  const again = button('Refresh', {name: 'reload', text: '', kind: 'quiet', onclick: () => load().catch(failed)});
  return h(
    'section',
    {class: 'card'},
    h('div', {class: 'row'}, h('h2', null, 'Rules'), h('span', {class: 'grow'}), again),
    box,
  );
}
