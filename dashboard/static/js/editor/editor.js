/** Lines, zones and calibration of a camera, drawn over its picture and saved into the site file. */

import {part, put} from '../lib/api.js';
import {pointsOf, stillPath} from '../lib/cameras.js';
import {button, card, h, say, svg, turnOff} from '../lib/dom.js';
import {atShapes, faultsOf} from '../lib/faults.js';
import {on} from '../lib/live.js';
import {paint} from '../lib/mjpeg.js';
import {done, failed} from '../lib/notice.js';
import {calibrationPanel} from './calibration.js';
import {drawingOf, faults, geometryOf, Steps, unwatched, withItem} from './drawing.js';
import {calibrationFault} from './ground.js';
import {attach, cancel, finish} from './hands.js';
import {panel} from './panel.js';
import {freeName} from './plane.js';
import {render} from './scene.js';

const HELP = {
  move: 'Drag points and shapes, or reach them with Tab and move them with the arrow keys (with Shift: faster). Delete removes.',
  line: 'Press at one end and drag to the other, or click both ends. Escape cancels.',
  zone: 'Click the corners one after the other; the first one again, Enter or a double click closes the zone. Escape cancels.',
};

/**
 * The editor of one camera.
 * @param names Names of all cameras: no line or zone may be called so.
 * @param file The site file: what is in it is drawn, whether it is in force or not.
 */
export function editor(camera, names, file, {signal, router}) {
  const written = file.written(camera.name) ?? camera;
  const own = {
    camera,
    written,
    names,
    file,
    signal,
    size: camera.size?.[0] ? camera.size : [1280, 720],
    steps: new Steps(drawingOf(written, pointsOf)),
    reason: file.whyNot(camera.name),
    locked: file.whyNot(camera.name) !== null,
    selected: null,
    tool: 'move',
    draft: null,
    hover: null,
    drag: null,
    tape: null,
    showsGrid: true,
    faulty: null,
  };
  own.root = svg('svg', {
    class: 'drawing',
    viewBox: `0 0 ${own.size[0]} ${own.size[1]}`,
    'aria-label': `Lines and zones of camera ${camera.name}`,
    role: 'group',
  });
  act(own);
  own.panel = panel(own);
  own.ground = calibrationPanel(own);
  const element = layout(own);
  attach(own, signal);
  const observer = new ResizeObserver(() => render(own));
  observer.observe(own.root);
  signal.addEventListener('abort', () => observer.disconnect());
  document.addEventListener('keydown', (event) => shortcuts(own, event), {signal});
  router.guard(() => own.steps.changed, 'Leave without saving what you drew?', signal);
  on('config', (said) => heard(own, said), signal);
  picture(own).catch(() => {});
  own.redraw();
  return element;
}

/** What panels and hands may do to the drawing. */
function act(own) {
  own.item = (id) => own.steps.now.items.find((item) => item.id === id);
  own.redraw = () => {
    if (own.selected !== 'ground' && own.selected !== null && !own.item(own.selected)) {
      own.selected = null;
    }
    render(own);
    own.found = faults(own.steps.now, own.names);
    own.panel.update(own.found);
    own.ground.update();
    own.bar?.();
  };
  own.change = (next, tag = null) => {
    if (own.locked) {
      return;
    }
    own.faulty = null;
    own.steps.take(next, tag);
    own.redraw();
  };
  own.select = (id) => {
    if (own.selected === id) {
      return;
    }
    own.selected = id;
    own.redraw();
  };
  own.useTool = (tool) => {
    own.tool = tool;
    own.draft = own.hover = null;
    own.root.dataset.tool = tool;
    own.redraw();
  };
  own.add = (kind, points) => {
    const {items} = own.steps.now;
    const id = Math.max(0, ...items.map((item) => item.id)) + 1;
    const name = freeName(kind, [...items.map((item) => item.name), ...own.names]);
    own.tool = 'move';
    own.draft = own.hover = null;
    own.root.dataset.tool = 'move';
    own.selected = id;
    own.change(withItem(own.steps.now, {id, kind, name, points}));
    own.panel.focus(id);
  };
}

function layout(own) {
  const canvas = h('canvas', {class: 'still', width: own.size[0], height: own.size[1], 'aria-hidden': 'true'});
  own.canvas = canvas;
  own.said = h('p', {class: 'reason', role: 'status'});
  own.unwatched = h('p', {class: 'hint', role: 'status', hidden: true});
  const help = h('p', {class: 'hint', role: 'status'});
  const {tools, below} = toolbar(own, help);
  const stage = h('div', {class: 'picture big stage'}, canvas, own.root, own.said);
  const note = own.locked ? h('p', {class: 'note', role: 'status'}, own.reason) : null;
  return h(
    'div',
    {class: 'split'},
    h('div', {class: 'large'}, tools, note, stage, below),
    h(
      'div',
      {class: 'side'},
      card('Lines and zones', foreign(own), own.unwatched, own.panel.element),
      card('Calibration', own.ground.element),
    ),
  );
}

/** What comes from a preset becomes the camera's own as soon as it is saved. */
function foreign(own) {
  const is = own.written.own_geometry === false && own.steps.now.items.length > 0;
  const more = own.locked ? '.' : '; saved here, they become this camera’s own.';
  return is ? h('p', {class: 'hint'}, `These come with the scenario${more}`) : null;
}

/** Above the picture what is always there, so that nothing moves under the mouse; below it what comes and goes. */
function toolbar(own, help) {
  const step = (label, name) =>
    button(label, {
      name,
      text: '',
      onclick: () => {
        own.steps[name]();
        own.redraw();
      },
    });
  const bar = {
    help,
    line: toolButton(own, 'line', 'Line'),
    zone: toolButton(own, 'zone', 'Zone'),
    close: button('Close the zone', {hidden: true, onclick: () => finish(own)}),
    drop: button('Cancel', {kind: 'quiet', hidden: true, onclick: () => cancel(own)}),
    undo: step('Undo', 'undo'),
    redo: step('Redo', 'redo'),
    save: button('Save', {kind: 'first', onclick: () => store(own, bar.save).catch(failed)}),
  };
  const shot = button('New picture', {name: 'reload', text: '', onclick: () => picture(own).catch(failed)});
  const back = own.file.undoButton(
    async () => taken(own),
    () => own.steps.changed,
  );
  own.state = h('span', {class: 'hint', role: 'status'});
  own.bar = () => updateBar(own, bar);
  own.home = bar.line; // where the focus goes when no shape is left
  const tools = h(
    'div',
    {class: 'tools', role: 'toolbar', 'aria-label': 'Drawing'},
    bar.line,
    bar.zone,
    bar.undo,
    bar.redo,
    shot,
    h('span', {class: 'grow'}),
    back,
    bar.save,
  );
  return {tools, below: h('div', {class: 'tools'}, bar.close, bar.drop, own.state, help)};
}

/** Chooses what is drawn next; pressed by the keyboard it draws one in the middle, to be moved with the arrow keys. */
function toolButton(own, name, label) {
  return button(label, {
    name,
    disabled: own.locked,
    'aria-pressed': 'false',
    onclick: (event) => {
      if (event.detail === 0) {
        own.add(name, beginner(own, name));
        own.root.querySelector(`[data-key="point-${own.selected}-0"]`)?.focus();
      } else {
        own.useTool(own.tool === name ? 'move' : name);
      }
    },
  });
}

function updateBar(own, bar) {
  const {calibration} = own.steps.now;
  const bad = own.found.size > 0 || (calibration !== null && calibrationFault(calibration) !== null);
  bar.line.setAttribute('aria-pressed', String(own.tool === 'line'));
  bar.zone.setAttribute('aria-pressed', String(own.tool === 'zone'));
  bar.close.hidden = !(own.tool === 'zone' && own.draft?.length > 2);
  bar.drop.hidden = own.tool === 'move';
  turnOff(bar.undo, !own.steps.past.length);
  turnOff(bar.redo, !own.steps.future.length);
  const isOpen = Boolean(own.draft?.length);
  turnOff(bar.save, Boolean(own.locked || !own.steps.changed || bad || isOpen || own.saving));
  say(bar.help, own.locked ? '' : HELP[own.tool]);
  if (own.steps.changed) {
    const why = isOpen ? `End the ${own.tool} or cancel it before you save` : 'To be mended before it can be saved';
    say(own.state, bad || isOpen ? why : 'Not saved yet');
  }
  const alone = unwatched(own.steps.now.items, own.written === own.camera ? null : own.written);
  own.unwatched.hidden = !alone.length;
  say(own.unwatched, `No rule looks at ${alone.join(', ')}: nothing is counted there. Add one under Scenario and rules.`);
  own.file.refreshUndo?.();
}

/** A line or zone in the middle, for whoever draws with the keyboard. */
function beginner(own, kind) {
  const shift = (own.steps.now.items.length % 5) * 0.04;
  return kind === 'line'
    ? [
        [0.3, 0.5 + shift],
        [0.7, 0.5 + shift],
      ]
    : [
        [0.35, 0.35 + shift],
        [0.65, 0.35 + shift],
        [0.65, 0.65 + shift],
        [0.35, 0.65 + shift],
      ];
}

function shortcuts(own, event) {
  if (!(event.ctrlKey || event.metaKey) || event.target.matches('input, textarea, select')) {
    return;
  }
  const key = event.key.toLowerCase();
  if (key === 'z' || key === 'y') {
    event.preventDefault();
    if (key === 'y' || event.shiftKey) {
      own.steps.redo();
    } else {
      own.steps.undo();
    }
    own.redraw();
  }
}

/** A still of the camera under the drawing; without one the drawing goes on over an empty ground. */
async function picture(own) {
  say(own.said, 'Waiting for a picture …');
  let answer;
  try {
    answer = await fetch(stillPath(own.camera.name, {layers: 'none', width: Math.min(1920, own.size[0])}), {
      signal: own.signal,
      cache: 'no-store',
    });
  } catch {
    if (!own.signal.aborted) {
      say(own.said, 'The server does not answer.');
    }
    return;
  }
  if (!answer.ok) {
    const body = await answer.json().catch(() => ({}));
    say(own.said, `${body.detail ?? 'There is no picture.'} You may draw all the same.`);
    return;
  }
  const bitmap = await createImageBitmap(await answer.blob());
  if (own.size[0] / own.size[1] !== bitmap.width / bitmap.height && !own.camera.size?.[0]) {
    own.size = [bitmap.width, bitmap.height];
    own.root.setAttribute('viewBox', `0 0 ${bitmap.width} ${bitmap.height}`);
  }
  paint(own.canvas, own.canvas.getContext('2d', {alpha: false}), bitmap);
  bitmap.close();
  say(own.said, '');
  render(own);
}

async function store(own, save) {
  own.saving = true;
  turnOff(save);
  say(own.state, 'Saving …');
  const sent = own.steps.now; // what is drawn while it is being saved is not saved
  own.steps.settle();
  try {
    const answer = await own.file.save((revision) =>
      put(`/api/cameras/${part(own.camera.name)}/geometry`, {
        revision,
        ...geometryOf(sent),
        drawn_on: drawnOn(own),
      }),
    );
    if (answer === 'saved') {
      own.steps.saved = sent;
      say(own.state, own.file.note);
      done('Saved into the site file.');
    } else if (answer === 'theirs') {
      taken(own);
    }
  } catch (error) {
    refused(own, error);
  } finally {
    own.saving = false;
    own.redraw();
  }
}

/** The picture that the points belong to now, where the file says it of those that were there. */
function drawnOn(own) {
  return own.written.drawn_on && own.camera.size?.[0] ? own.camera.size : null;
}

/** Faults of the server at the shapes they are about; what is about none of them stands below the tools. */
function refused(own, error) {
  const names = own.steps.now.items.map((item) => item.name);
  const {faulty, left} = atShapes(faultsOf(error), own.camera.name, names);
  own.faulty = faulty;
  say(own.state, 'Not saved');
  if (left.length) {
    failed(new Error(left.join(' ')));
  }
  const bad = own.steps.now.items.find((item) => own.faulty.has(item.name));
  if (bad) {
    own.selected = bad.id;
  }
}

/** The site took the file over, or says why not. */
function heard(own, said) {
  if (!own.file.isSettledBy(said)) {
    return;
  }
  if (said.reload_error) {
    failed(new Error(said.reload_error));
  }
  if (!own.steps.changed) {
    say(own.state, own.file.outcome(said));
  }
}

/** Begin anew with what is in the file now. */
function taken(own) {
  own.written = own.file.written(own.camera.name) ?? own.written;
  own.selected = null;
  own.steps.reset(drawingOf(own.written, pointsOf));
  say(own.state, '');
  own.redraw();
}
