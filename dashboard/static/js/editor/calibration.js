/** Four points of the ground: where they are in metres, a grid to check them, and a tape to measure with. */

import {button, h, replace, say} from '../lib/dom.js';
import {calibrationFault, metricGrid} from './ground.js';

const FIRST = {
  image: [
    [0.36, 0.45],
    [0.64, 0.45],
    [0.85, 0.88],
    [0.15, 0.88],
  ],
  ground_m: [
    [0, 10],
    [5, 10],
    [5, 0],
    [0, 0],
  ],
};
const CORNERS = ['far left', 'far right', 'near right', 'near left'];

/** `update()` brings the form up to date with the drawing. */
export function calibrationPanel(own) {
  const box = h('div');
  const said = h('p', {class: 'fault', role: 'status', hidden: true});
  const note = h('p', {class: 'hint'});
  let inputs;
  const update = () => {
    const {calibration} = own.steps.now;
    if (inputs === undefined || Boolean(calibration) !== Boolean(inputs)) {
      inputs = calibration ? form(own) : null;
      const isFocused = box.contains(document.activeElement);
      replace(box, calibration ? inputs.element : offer(own));
      if (isFocused) {
        box.querySelector('button:not(:disabled), input')?.focus();
      }
    }
    if (!calibration) {
      said.hidden = note.hidden = true;
      return;
    }
    inputs.update(calibration);
    const fault = calibrationFault(calibration) ?? own.faulty?.get('calibration') ?? null;
    said.hidden = fault === null;
    say(said, fault ?? '');
    const found = fault ? null : metricGrid(calibration);
    note.hidden = !found;
    say(
      note,
      found ? `The squares of the grid are ${found.step} m wide: they should lie on the ground like tiles.` : '',
    );
  };
  return {element: h('div', null, box, note, said), update};
}

function offer(own) {
  return h(
    'div',
    null,
    h(
      'p',
      {class: 'hint'},
      'Four points of a rectangle on the ground (a parking lot, a crossing) whose sides are known make metres of pixels: for speeds and distances.',
    ),
    button('Calibrate', {
      name: 'grid',
      disabled: own.locked,
      onclick: () => {
        own.change({...own.steps.now, calibration: FIRST});
        own.select('ground');
        own.root.querySelector('[data-key="point-ground-0"]')?.focus();
      },
    }),
  );
}

function form(own) {
  const points = pointsTable(own);
  const element = h('div', null, rectangleRow(own), points.element, switchesRow(own));
  return {element, update: points.update};
}

/** Take other metres for the four points. */
function setMetres(own, ground, tag) {
  own.select('ground');
  own.change({...own.steps.now, calibration: {...own.steps.now.calibration, ground_m: ground}}, tag);
}

/** Width and length of a rectangle, for most grounds are measured so. */
function rectangleRow(own) {
  const side = (name) =>
    h('input', {
      type: 'number',
      min: '0.1',
      step: 'any',
      'aria-label': `${name} in metres`,
      placeholder: name,
      disabled: own.locked,
    });
  const [wide, long] = [side('width'), side('length')];
  const set = () => {
    const [w, l] = [Number(wide.value), Number(long.value)];
    if (w > 0 && l > 0) {
      setMetres(
        own,
        [
          [0, l],
          [w, l],
          [w, 0],
          [0, 0],
        ],
        null,
      );
    }
  };
  return h(
    'div',
    {class: 'row rectangle'},
    wide,
    h('span', {'aria-hidden': 'true'}, '×'),
    long,
    h('span', null, 'm'),
    button('Set', {disabled: own.locked, onclick: set}),
  );
}

function pointsTable(own) {
  const changed = (index, side, text) => {
    const value = text === '' ? NaN : Number(text);
    const ground = own.steps.now.calibration.ground_m.map((point, at) =>
      at === index ? point.with(side, value) : point,
    );
    setMetres(own, ground, `metres-${index}-${side}`);
  };
  const cell = (index, side) =>
    h('input', {
      type: 'number',
      step: 'any',
      disabled: own.locked,
      'aria-label': `Ground point ${index + 1}, ${'xy'[side]} in metres`,
      onfocus: () => own.select('ground'),
      onblur: () => own.steps.settle(),
      oninput: (event) => changed(index, side, event.target.value),
    });
  const cells = CORNERS.map((_, index) => [cell(index, 0), cell(index, 1)]);
  const rows = cells.map(([x, y], index) =>
    h(
      'tr',
      null,
      h('th', {scope: 'row'}, `${index + 1} `, h('span', {class: 'hint'}, CORNERS[index])),
      h('td', null, x),
      h('td', null, y),
    ),
  );
  const heads = ['Point', 'x (m)', 'y (m)'].map((text) => h('th', {scope: 'col'}, text));
  const element = h(
    'table',
    {class: 'tight'},
    h('caption', {class: 'unseen'}, 'Points on the ground, in metres'),
    h('thead', null, h('tr', null, heads)),
    h('tbody', null, rows),
  );
  const update = ({ground_m: ground}) =>
    cells.forEach((pair, index) =>
      pair.forEach((input, side) => {
        const value = ground[index][side];
        if (document.activeElement !== input && Number(input.value || NaN) !== value) {
          input.value = Number.isFinite(value) ? value : '';
        }
      }),
    );
  return {element, update};
}

function switchesRow(own) {
  const tape = h('input', {
    type: 'checkbox',
    checked: Boolean(own.tape),
    onchange: () => {
      own.tape = tape.checked
        ? [
            [0.4, 0.6],
            [0.6, 0.6],
          ]
        : null;
      own.redraw();
    },
  });
  const grid = h('input', {
    type: 'checkbox',
    checked: own.showsGrid,
    onchange: () => {
      own.showsGrid = grid.checked;
      own.redraw();
    },
  });
  const remove = () => {
    own.tape = null;
    own.change({...own.steps.now, calibration: null});
    own.select(null);
  };
  const chip = (box, text) => h('label', {class: 'chip'}, box, h('span', null, text));
  return h(
    'div',
    {class: 'row'},
    chip(grid, 'Grid'),
    chip(tape, 'Tape'),
    h('span', {class: 'grow'}),
    button('Move the points', {kind: 'quiet', disabled: own.locked, onclick: () => own.select('ground')}),
    button('Remove the calibration', {name: 'trash', text: '', kind: 'quiet', disabled: own.locked, onclick: remove}),
  );
}
