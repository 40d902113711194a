/** Four points of the ground: where they are in metres, a grid to check them, and a tape to measure with. */

import {button, h, replace, say} from '../lib/dom.js';
import {calibrationFault, metricGrid} from './ground.js';

const FIRST = {image: [[0.36, 0.45], [0.64, 0.45], [0.85, 0.88], [0.15, 0.88]], ground_m: [[0, 10], [5, 10], [5, 0], [0, 0]]};
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
      replace(box, calibration ? inputs.element : offer(own));
    }
    if (!calibration) { said.hidden = note.hidden = true; return; }
    inputs.update(calibration);
    const fault = calibrationFault(calibration) ?? own.faulty?.get('calibration') ?? null;
    said.hidden = fault === null;
    say(said, fault ?? '');
    const found = fault ? null : metricGrid(calibration);
    note.hidden = !found;
    say(note, found ? `The squares of the grid are ${found.step} m wide: they should lie on the ground like tiles.` : '');
  };
  return {element: h('div', null, box, note, said), update};
}

function offer(own) {
  return h('div', null, h('p', {class: 'hint'}, 'Four points of a rectangle on the ground (a parking lot, a crossing) whose sides are known make metres of pixels: for speeds and distances.'),
    button('Calibrate', {name: 'grid', disabled: own.locked, onclick: () => {
      own.change({...own.steps.now, calibration: FIRST});
      own.select('ground');
      own.root.querySelector('[data-key="point-ground-0"]')?.focus();
    }}));
}

function form(own) {
  const set = (ground_m, tag) => { own.select('ground'); own.change({...own.steps.now, calibration: {...own.steps.now.calibration, ground_m}}, tag); };
  const metres = (label, act) => h('input', {type: 'number', step: 'any', 'aria-label': label, disabled: own.locked, oninput: act, onfocus: () => own.select('ground'), onblur: () => own.steps.settle()});
  const cells = CORNERS.map((_, index) => ['x', 'y'].map((axis, side) => metres(`Ground point ${index + 1}, ${axis} in metres`, (event) => {
    const value = event.target.value === '' ? NaN : Number(event.target.value);
    set(own.steps.now.calibration.ground_m.map((point, at) => (at === index ? point.map((one, which) => (which === side ? value : one)) : point)), `metres-${index}-${axis}`);
  })));
  const wide = h('input', {type: 'number', min: '0.1', step: 'any', 'aria-label': 'Width in metres', placeholder: 'width', disabled: own.locked});
  const long = h('input', {type: 'number', min: '0.1', step: 'any', 'aria-label': 'Length in metres', placeholder: 'length', disabled: own.locked});
  const rectangle = button('Set', {disabled: own.locked, onclick: () => {
    const [w, l] = [Number(wide.value), Number(long.value)];
    if (w > 0 && l > 0) { set([[0, l], [w, l], [w, 0], [0, 0]], null); }
  }});
  const tape = h('input', {type: 'checkbox', checked: Boolean(own.tape), onchange: () => { own.tape = tape.checked ? [[0.4, 0.6], [0.6, 0.6]] : null; own.redraw(); }});
  const shown = h('input', {type: 'checkbox', checked: own.showsGrid, onchange: () => { own.showsGrid = shown.checked; own.redraw(); }});
  const element = h('div', null,
    h('div', {class: 'row'}, h('span', null, 'Rectangle'), wide, h('span', {'aria-hidden': 'true'}, '×'), long, h('span', null, 'm'), rectangle),
    h('table', {class: 'tight'}, h('caption', {class: 'unseen'}, 'Points on the ground, in metres'),
      h('thead', null, h('tr', null, h('th', {scope: 'col'}, 'Point'), h('th', {scope: 'col'}, 'x (m)'), h('th', {scope: 'col'}, 'y (m)'))),
      h('tbody', null, cells.map(([x, y], index) => h('tr', null, h('th', {scope: 'row'}, `${index + 1} `, h('span', {class: 'hint'}, CORNERS[index])), h('td', null, x), h('td', null, y))))),
    h('div', {class: 'row'}, h('label', {class: 'chip'}, shown, h('span', null, 'Grid')), h('label', {class: 'chip'}, tape, h('span', null, 'Tape')), h('span', {class: 'grow'}),
      button('Move the points', {kind: 'quiet', disabled: own.locked, onclick: () => own.select('ground')}),
      button('Remove the calibration', {name: 'trash', text: '', kind: 'quiet', disabled: own.locked, onclick: () => { own.tape = null; own.change({...own.steps.now, calibration: null}); own.select(null); }})));
  return {element, update({ground_m: ground}) {
    cells.forEach((pair, index) => pair.forEach((input, side) => {
      if (document.activeElement !== input && Number(input.value || NaN) !== ground[index][side]) { input.value = Number.isFinite(ground[index][side]) ? ground[index][side] : ''; }
    }));
  }};
}
