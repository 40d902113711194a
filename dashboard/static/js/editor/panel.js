/** The list beside the drawing: every line and zone with its name, its switches and what is wrong with it. */

import {button, h, icon, say} from '../lib/dom.js';
import {turned, withItem, withoutItem} from './drawing.js';

/** `update(faults)` brings the list up to date; rows stay, so that a name can be typed without losing the caret. */
export function panel(own) {
  const list = h('ul', {class: 'plain items'});
  const none = h('p', {class: 'empty'}, 'Nothing is drawn yet. Choose “Line” or “Zone” and draw in the picture.');
  const rows = new Map();
  const update = (faults) => {
    const {items} = own.steps.now;
    const ids = new Set(items.map((item) => item.id));
    for (const [id, row] of rows) {
      if (!ids.has(id)) {
        row.element.remove();
        rows.delete(id);
      }
    }
    for (const item of items) {
      if (!rows.has(item.id)) {
        rows.set(item.id, rowOf(own, item));
      }
      const row = rows.get(item.id);
      row.update(item, faults.get(item.id));
      if (row.element.parentNode !== list) {
        list.append(row.element);
      }
    }
    none.hidden = items.length > 0;
  };
  return {element: h('div', null, list, none), update, focus: (id) => rows.get(id)?.name.select()};
}

function rowOf(own, first) {
  const {id, kind} = first;
  const said = h('p', {class: 'fault', id: `fault-${id}`, hidden: true});
  const name = h('input', {
    type: 'text',
    value: first.name,
    maxlength: 64,
    'aria-label': `Name of the ${kind}`,
    'aria-describedby': `fault-${id}`,
    disabled: own.locked,
    autocomplete: 'off',
    spellcheck: 'false',
    onfocus: () => own.select(id),
    oninput: () => own.change(withItem(own.steps.now, {...own.item(id), name: name.value}), `name-${id}`),
    onblur: () => own.steps.settle(),
  });
  const turn =
    kind === 'line'
      ? button('Turn the direction round', {
          name: 'swap',
          text: '',
          kind: 'quiet',
          disabled: own.locked,
          onclick: () => {
            own.select(id);
            own.change(withItem(own.steps.now, turned(own.item(id))));
          },
        })
      : null;
  const drop = button(`Delete this ${kind}`, {
    name: 'trash',
    text: '',
    kind: 'quiet',
    disabled: own.locked,
    onclick: () => own.change(withoutItem(own.steps.now, id)),
  });
  const about = h('span', {class: 'hint'});
  const element = h(
    'li',
    {
      class: 'item',
      dataset: {kind},
      onclick: (event) => {
        if (event.target.closest('button, input') === null) {
          own.select(id);
        }
      },
    },
    h('div', {class: 'row'}, icon(kind), name, turn, drop),
    about,
    said,
  );
  return {
    element,
    name,
    update(item, fault) {
      element.classList.toggle('chosen', own.selected === id);
      if (name.value !== item.name) {
        name.value = item.name;
      }
      say(about, kind === 'line' ? lineText(item.points) : `${item.points.length} corners`);
      const server = own.faulty?.get(item.name);
      const text = [fault?.name, fault?.points, server].filter(Boolean).join(' ');
      said.hidden = !text;
      say(said, text);
      name.setAttribute('aria-invalid', String(Boolean(text)));
    },
  };
}

function lineText([a, b]) {
  const show = ([x, y]) => `${Math.round(x * 100)} %, ${Math.round(y * 100)} %`;
  return `A ${show(a)} → B ${show(b)}; “in” is the side of the arrow`;
}
