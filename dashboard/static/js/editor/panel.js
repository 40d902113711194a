/** The list beside the drawing: every line and zone with its name, its switches and what is wrong with it. */

import {button, h, icon, say, takeAway} from '../lib/dom.js';
import {turned, withItem, withoutItem} from './drawing.js';

/** `update(faults)` brings the list up to date; rows stay, so that a name can be typed without losing the caret. */
export function panel(own) {
  const list = h('ul', {class: 'plain items'});
  const none = h('p', {class: 'empty'}, 'Nothing is drawn yet. Choose “Line” or “Zone” and draw in the picture.');
  const rows = new Map();
  const update = (faults) => {
    const {items} = own.steps.now;
    const keys = new Set(items.map(keyOf));
    for (const [key, row] of rows) {
      if (!keys.has(key)) {
        const {nextElementSibling: next, previousElementSibling: before} = row.element;
        const name = (one) => one?.querySelector('input');
        rows.delete(key);
        takeAway(row.element, name(next), name(before), own.home);
      }
    }
    items.forEach((item, index) => {
      const key = keyOf(item);
      if (!rows.has(key)) {
        rows.set(key, rowOf(own, item));
      }
      const row = rows.get(key);
      row.update(item, faults.get(item.id));
      if (list.children[index] !== row.element) {
        list.insertBefore(row.element, list.children[index] ?? null);
      }
    });
    none.hidden = items.length > 0;
  };
  const focus = (id) => rows.get(keyOf(own.item(id)))?.name.select();
  return {element: h('div', null, list, none), update, focus};
}

/** A number may be given again, to a shape of the other kind, where the drawing begins anew. */
const keyOf = ({id, kind}) => `${kind} ${id}`;

function rowOf(own, first) {
  const {id, kind} = first;
  const row = {
    id,
    kind,
    name: nameInput(own, id, first.name),
    about: h('span', {class: 'hint'}),
    said: h('p', {class: 'fault', id: `fault-${id}`, hidden: true}),
  };
  const turn = () => {
    own.select(id);
    own.change(withItem(own.steps.now, turned(own.item(id))));
  };
  const quiet = {text: '', kind: 'quiet', disabled: own.locked};
  const way = kind === 'line' ? button('Turn the direction round', {name: 'swap', onclick: turn, ...quiet}) : null;
  const drop = button(`Delete this ${kind}`, {
    name: 'trash',
    onclick: () => own.change(withoutItem(own.steps.now, id)),
    ...quiet,
  });
  const choose = (event) => {
    if (event.target.closest('button, input') === null) {
      own.select(id);
    }
  };
  row.element = h(
    'li',
    {class: 'item', dataset: {kind}, onclick: choose},
    h('div', {class: 'row'}, icon(kind), row.name, way, drop),
    row.about,
    row.said,
  );
  row.update = (item, fault) => show(own, row, item, fault);
  return row;
}

function nameInput(own, id, value) {
  const typed = () => own.change(withItem(own.steps.now, {...own.item(id), name: name.value}), `name-${id}`);
  const name = h('input', {
    type: 'text',
    value,
    maxlength: 64,
    'aria-label': 'Name',
    'aria-describedby': `fault-${id}`,
    disabled: own.locked,
    autocomplete: 'off',
    spellcheck: 'false',
    onfocus: () => own.select(id),
    oninput: typed,
    onblur: () => own.steps.settle(),
  });
  return name;
}

function show(own, row, item, fault) {
  row.element.classList.toggle('chosen', own.selected === row.id);
  if (row.name.value !== item.name) {
    row.name.value = item.name;
  }
  say(row.about, row.kind === 'line' ? lineText(item.points) : `${item.points.length} corners`);
  const text = [fault?.name, fault?.points, own.faulty?.get(item.name)].filter(Boolean).join(' ');
  row.said.hidden = !text;
  say(row.said, text);
  row.name.setAttribute('aria-invalid', String(Boolean(text)));
}

function lineText([a, b]) {
  const show = ([x, y]) => `${Math.round(x * 100)} %, ${Math.round(y * 100)} %`;
  return `A ${show(a)} → B ${show(b)}; “in” is the side of the arrow`;
}
