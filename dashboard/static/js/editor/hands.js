/** Mouse, touch and keyboard on the drawing. */

import {shifted, withCorner, withItem, withoutCorner, withoutItem, withPoint} from './drawing.js';
import {within} from './plane.js';

const STEP = 0.005;
const NEAR = 14; // pixels of the screen that count as the same place
const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

/** Listen on the drawing until the signal aborts. */
export function attach(own, signal) {
  const {root} = own;
  root.addEventListener('pointerdown', (event) => down(own, event), {signal});
  root.addEventListener('pointermove', (event) => move(own, event), {signal});
  root.addEventListener('pointerup', (event) => up(own, event), {signal});
  root.addEventListener(
    'pointercancel',
    () => {
      own.drag = null;
    },
    {signal},
  );
  root.addEventListener(
    'dblclick',
    () => {
      if (own.tool === 'zone') {
        finish(own);
      }
    },
    {signal},
  );
  root.addEventListener('keydown', (event) => key(own, event), {signal});
  document.addEventListener('keydown', (event) => drawing(own, event), {signal, capture: true});
}

/** Enter and Escape while something is drawn with the mouse, wherever the focus is then. */
function drawing(own, event) {
  const isOpen = own.draft !== null || own.tool !== 'move';
  if (!isOpen || event.defaultPrevented || document.querySelector('dialog[open]')) {
    return;
  }
  if (event.key === 'Escape') {
    event.stopPropagation();
    cancel(own);
  } else if (event.key === 'Enter' && own.draft && !isForAnother(event.target)) {
    event.preventDefault();
    event.stopPropagation();
    finish(own);
  }
}

/** Whether Enter means something else there; not at the button that the tool was chosen with, which keeps the focus. */
function isForAnother(target) {
  const control = target.closest('button, a, input, select, textarea, summary');
  return control !== null && !control.hasAttribute('aria-pressed');
}

function place(own, event) {
  const box = own.root.getBoundingClientRect();
  return within([(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]);
}

function near(own, one, two) {
  const box = own.root.getBoundingClientRect();
  return Math.hypot((one[0] - two[0]) * box.width, (one[1] - two[1]) * box.height) < NEAR;
}

function down(own, event) {
  if (event.button || own.locked) {
    return;
  }
  own.root.setPointerCapture(event.pointerId);
  const at = place(own, event);
  if (own.tool !== 'move') {
    event.preventDefault();
    startDraft(own, at);
    return;
  }
  const point = event.target.closest('[data-point]')?.dataset.point;
  const adding = event.target.closest('[data-add]')?.dataset.add;
  const item = event.target.closest('[data-item]')?.dataset.item;
  own.steps.settle();
  if (point) {
    own.drag = {point, tag: `drag-${event.timeStamp}`};
  } else if (adding) {
    const [id, index] = adding.split('-').map(Number);
    own.change(withItem(own.steps.now, withCorner(own.item(id), index)));
    own.drag = {point: `${id}-${index + 1}`, tag: `drag-${event.timeStamp}`};
  } else if (item) {
    own.select(Number(item));
    own.drag = {item: Number(item), from: at, first: own.item(Number(item)), tag: `drag-${event.timeStamp}`};
  } else if (own.selected !== 'ground') {
    own.select(null);
  }
}

function startDraft(own, at) {
  if (own.draft && own.tool === 'zone') {
    if (own.draft.length > 2 && near(own, at, own.draft[0])) {
      finish(own);
      return;
    }
    if (!near(own, at, own.draft.at(-1))) {
      own.draft.push(at);
    }
  } else if (own.draft) {
    own.draft.push(at);
    finish(own);
    return;
  } else {
    own.draft = [at];
  }
  own.hover = at;
  own.redraw();
}

function move(own, event) {
  const at = place(own, event);
  if (own.draft) {
    own.hover = at;
    own.redraw();
    return;
  }
  if (!own.drag) {
    return;
  }
  if (own.drag.point) {
    movePoint(own, own.drag.point, at, own.drag.tag);
  } else {
    const [dx, dy] = [at[0] - own.drag.from[0], at[1] - own.drag.from[1]];
    if (own.drag.far || !near(own, at, own.drag.from)) {
      own.drag.far = true;
      own.change(withItem(own.steps.now, shifted(own.drag.first, dx, dy)), own.drag.tag);
    }
  }
}

/** A line that was dragged in one go ends where the button comes up; one that was clicked waits for its other end. */
function up(own, event) {
  own.drag = null;
  own.steps.settle();
  const at = place(own, event);
  if (own.tool === 'line' && own.draft && !near(own, at, own.draft[0])) {
    own.draft.push(at);
    finish(own);
  }
}

/** Make an item of the points drawn so far, or forget them where they are too few. */
export function finish(own) {
  const points = own.draft ?? [];
  const kind = own.tool;
  own.draft = own.hover = null;
  if (points.length >= (kind === 'line' ? 2 : 3)) {
    own.add(kind, points);
  } else {
    own.useTool('move');
  }
}

/** Forget the points drawn so far. */
export function cancel(own) {
  own.draft = own.hover = null;
  own.useTool('move');
}

function pointAt(own, name) {
  const [what, index] = name.split('-');
  if (what === 'tape') {
    return own.tape[Number(index)];
  }
  if (what === 'ground') {
    return own.steps.now.calibration.image[Number(index)];
  }
  return own.item(Number(what)).points[Number(index)];
}

function movePoint(own, name, to, tag) {
  const [what, at] = name.split('-');
  const index = Number(at);
  if (what === 'tape') {
    own.tape = own.tape.map((point, one) => (one === index ? within(to) : point));
    own.redraw();
    return;
  }
  const now = own.steps.now;
  if (what === 'ground') {
    const image = now.calibration.image.map((point, one) => (one === index ? within(to) : point));
    own.change({...now, calibration: {...now.calibration, image}}, tag);
  } else {
    own.change(withItem(now, withPoint(own.item(Number(what)), index, to)), tag);
  }
}

function key(own, event) {
  if (event.key === 'Escape') {
    own.select(null);
    return;
  }
  if (own.locked) {
    return;
  }
  const {point, add, item} = event.target.dataset ?? {};
  if (event.key in ARROWS) {
    arrow(own, event, point, item);
  } else if (event.key === 'Enter' || event.key === ' ') {
    press(own, event, add, item);
  } else if (event.key === 'Delete' || event.key === 'Backspace') {
    erase(own, event, point, item);
  }
}

function arrow(own, event, point, item) {
  if (!point && !item) {
    return;
  }
  event.preventDefault();
  const step = event.shiftKey ? STEP * 10 : event.altKey ? STEP / 5 : STEP;
  const [dx, dy] = ARROWS[event.key].map((way) => way * step);
  if (point) {
    const [x, y] = pointAt(own, point);
    movePoint(own, point, [x + dx, y + dy], `keys-${point}`);
  } else {
    own.change(withItem(own.steps.now, shifted(own.item(Number(item)), dx, dy)), `keys-item-${item}`);
  }
}

function press(own, event, add, item) {
  if (!add && !item) {
    return;
  }
  event.preventDefault();
  if (item) {
    own.select(Number(item));
    return;
  }
  const [id, index] = add.split('-').map(Number);
  own.change(withItem(own.steps.now, withCorner(own.item(id), index)));
  own.root.querySelector(`[data-key="point-${id}-${index + 1}"]`)?.focus();
}

function erase(own, event, point, item) {
  const [id, index] = (point ?? item ?? '').split('-').map(Number);
  const one = own.item(id);
  if (!one) {
    return;
  }
  event.preventDefault();
  const isCorner = point && one.kind === 'zone' && one.points.length > 3;
  own.change(isCorner ? withItem(own.steps.now, withoutCorner(one, index)) : withoutItem(own.steps.now, id));
}
