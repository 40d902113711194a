/** The wall: a picture of each camera that renews itself, status and figures; or one camera large. */

import {cameras, stillPath, statusPill} from '../lib/cameras.js';
import {h, say} from '../lib/dom.js';
import {number, milliseconds} from '../lib/format.js';
import {live, on} from '../lib/live.js';
import {paint} from '../lib/mjpeg.js';
import {to} from '../lib/router.js';
import {layersControl} from '../parts/layers.js';
import {cameraView} from './camera.js';

const AT_ONCE = 3; // pictures asked for at once: a browser has six connections to a server, over all its tabs
const EACH_MS = 1000;
const APART_MS = 300; // of many cameras each is asked less often: the server draws 16 at the same time at most

export async function view({parts, query}, context) {
  if (parts[0]) {
    return cameraView(parts[0], query, context);
  }
  const {signal} = context;
  const all = await cameras(signal);
  const layers = layersControl(() => {});
  const tiles = all.map((camera) => tile(camera));
  const wall = h(
    'ul',
    {class: `wall of-${Math.min(all.length, 4)}`},
    tiles.map((one) => one.element),
  );
  const element = h(
    'div',
    null,
    h('div', {class: 'head'}, h('h1', null, 'Cameras'), h('span', {class: 'grow'}), layers.element),
    wall,
  );
  if (!all.length) {
    element.append(h('p', {class: 'empty'}, 'The site file names no camera.'));
  }
  const figures = (stats) => tiles.forEach((one) => one.figures(stats.cameras?.[one.name]));
  if (live.stats) {
    figures(live.stats);
  }
  on('stats', figures, signal);
  on(
    'status',
    ({cameras: known}) => {
      for (const one of known) {
        tiles.find((each) => each.name === one.name)?.status(one.status, one.reason);
      }
    },
    signal,
  );
  for (let worker = 0; worker < AT_ONCE; worker += 1) {
    renew(tiles, layers, Math.max(EACH_MS, APART_MS * tiles.length), signal);
  }
  return {title: 'Cameras', element};
}

function tile(camera) {
  const canvas = h('canvas', {
    width: 640,
    height: 360,
    role: 'img',
    dataset: {camera: camera.name},
    'aria-label': `Picture of camera ${camera.name}`,
  });
  const status = statusPill(camera.status);
  const figures = h('span', {class: 'figures'});
  const reason = h('p', {class: 'reason'}, camera.reason ?? '');
  const element = h(
    'li',
    {class: 'tile'},
    h(
      'a',
      {href: to(['cameras', camera.name])},
      h('div', {class: 'picture'}, canvas, reason),
      h('div', {class: 'tile-foot'}, h('strong', null, camera.name), status.element, figures),
    ),
  );
  const own = {
    name: camera.name,
    element,
    canvas,
    due: 0,
    state: camera.status,
    context: null,
    status(name, why) {
      own.state = name;
      status.update(name);
      element.classList.toggle('away', !['online', 'degraded'].includes(name));
      say(reason, why ?? (name === 'disabled' ? 'switched off' : ''));
    },
    figures(one) {
      if (!one) {
        return;
      }
      own.status(one.status, one.reason);
      say(
        figures,
        `${number(one.detection_fps)} fps · p95 ${milliseconds(one.latency_ms?.p95)}${one.detecting ? '' : ' · detection off'}`,
      );
    },
  };
  own.status(camera.status, camera.reason);
  own.figures(camera.figures);
  return own;
}

/** Ask for the picture that is most overdue of those that can be seen, again and again. */
async function renew(tiles, layers, eachMs, signal) {
  while (!signal.aborted) {
    const now = performance.now();
    const next = document.hidden
      ? null
      : tiles.filter((one) => one.due <= now && seen(one)).sort((a, b) => a.due - b.due)[0];
    if (!next) {
      await new Promise((resolve) => {
        setTimeout(resolve, 100);
      });
      continue;
    }
    next.due = now + 60000; // taken, so that nobody else asks
    try {
      await show(next, layers, signal);
      next.due = Math.max(performance.now() + 100, now + eachMs);
    } catch {
      next.due = performance.now() + 3 * EACH_MS;
    }
  }
}

async function show(one, layers, signal) {
  const width = Math.min(
    960,
    Math.max(240, Math.ceil((one.canvas.clientWidth * Math.min(devicePixelRatio, 2)) / 80) * 80),
  );
  const answer = await fetch(stillPath(one.name, {layers: layers.text(), width}), {signal, cache: 'no-store'});
  if (!answer.ok) {
    await answer.arrayBuffer();
    throw new Error('no picture');
  }
  const bitmap = await createImageBitmap(await answer.blob());
  one.context ??= one.canvas.getContext('2d', {alpha: false});
  paint(one.canvas, one.context, bitmap);
  bitmap.close();
}

function seen(one) {
  if (!['online', 'degraded'].includes(one.state)) {
    return false;
  }
  const box = one.element.getBoundingClientRect();
  return box.width > 0 && box.bottom > 0 && box.top < innerHeight;
}
