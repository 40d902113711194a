/** Elements from functions: text is always text, never HTML. */

const SVG = 'http://www.w3.org/2000/svg';

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) {
      continue;
    }
    if (name.startsWith('on')) {
      element.addEventListener(name.slice(2), value);
    } else if (name === 'dataset') {
      Object.assign(element.dataset, value);
    } else if (
      name in element &&
      ['value', 'checked', 'disabled', 'selected', 'indeterminate', 'hidden'].includes(name)
    ) {
      element[name] = value;
    } else {
      element.setAttribute(name, value === true ? '' : value);
    }
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

/** An HTML element: `h('p', {class: 'note'}, 'text', child)`. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** A picture of the sprite; decoration, so what it means stands beside it or in `aria-label`. */
export function icon(name) {
  return svg(
    'svg',
    {class: 'icon', 'aria-hidden': 'true', focusable: 'false', viewBox: '0 0 24 24'},
    svg('use', {href: `/static/icons.svg#${name}`}),
  );
}

/** A button with a picture; `label` is read aloud and shown as a hint where no text is given. */
export function button(label, {name, text = label, kind = '', ...attributes} = {}) {
  return h(
    'button',
    {type: 'button', class: `button ${kind}`, ...(text ? {} : {'aria-label': label, title: label}), ...attributes},
    name ? icon(name) : null,
    text ? h('span', null, text) : null,
  );
}

const held = new WeakSet();

/**
 * Switch a button off or on. One that has the focus keeps it, and is off for whoever presses it: a button that is disabled
 * under the focus would throw the keyboard back to the top of the page.
 */
export function turnOff(control, off = true) {
  const isHeld = off && control === document.activeElement;
  control.disabled = off && !isHeld;
  if (!isHeld) {
    control.removeAttribute('aria-disabled');
    return;
  }
  control.setAttribute('aria-disabled', 'true');
  if (!held.has(control)) {
    held.add(control);
    control.addEventListener('click', (event) => isOff(control) && event.stopImmediatePropagation(), {capture: true});
    control.addEventListener('blur', () => isOff(control) && turnOff(control));
  }
}

/** Whether a button is off, with the focus or without. */
export const isOff = (control) => control.disabled || control.getAttribute('aria-disabled') === 'true';

/** Take an element away; where the focus was in it, it goes to the first of others that is there. */
export function takeAway(element, ...others) {
  const isFocused = element.contains(document.activeElement);
  element.remove();
  if (isFocused) {
    others.find((one) => one?.isConnected && !one.disabled)?.focus();
  }
}

let fields = 0;

/** A control with its label above it, and what is to be known of it below. */
export function field(label, control, hint) {
  fields += 1;
  control.id ||= `field-${fields}`;
  const said = hint ? h('span', {class: 'hint', id: `${control.id}-hint`}, hint) : null;
  if (said) {
    const other = control.getAttribute('aria-describedby');
    control.setAttribute('aria-describedby', [said.id, other].filter(Boolean).join(' '));
  }
  return h('div', {class: 'field'}, h('label', {class: 'field-name', for: control.id}, label), control, said);
}

/** A choice; options are `[value, text, disabled]` or plain strings. */
export function select(options, chosen, attributes) {
  const made = h(
    'select',
    attributes,
    options.map((option) => {
      const [value, text, disabled] = Array.isArray(option) ? option : [option, option, false];
      return h('option', {value, disabled: disabled ?? false}, text);
    }),
  );
  made.value = chosen ?? '';
  return made;
}

/** A heading of a part of a view. */
export function card(title, ...children) {
  return h('section', {class: 'card'}, title ? h('h2', null, title) : null, children);
}

/** Put other children into an element. */
export function replace(element, ...children) {
  element.replaceChildren(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

/** Set text only where it differs: nothing is laid out anew, and screen readers are not disturbed. */
export function say(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/** A table of texts and elements with a caption for those who cannot see it. */
export function table(caption, heads, rows, attributes) {
  return h(
    'div',
    {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption},
    h(
      'table',
      attributes,
      h('caption', {class: 'unseen'}, caption),
      h(
        'thead',
        null,
        h(
          'tr',
          null,
          heads.map((head) => headCell(head)),
        ),
      ),
      h(
        'tbody',
        null,
        rows.map((row) =>
          h(
            'tr',
            null,
            row.map((cell, column) => bodyCell(cell, heads[column])),
          ),
        ),
      ),
    ),
  );
}

/**
 * Write other rows into a table of the same columns. Cells are written where they differ, rows come and go at the end:
 * who reads or scrolls there is not thrown out.
 * @param made What `table` gave.
 */
export function rewrite(made, heads, rows) {
  const body = made.querySelector('tbody');
  while (body.rows.length > rows.length) {
    body.lastChild.remove();
  }
  rows.forEach((row, index) => {
    if (index < body.rows.length) {
      row.forEach((cell, column) => say(body.rows[index].cells[column], text(cell)));
    } else {
      body.append(
        h(
          'tr',
          null,
          row.map((cell, column) => bodyCell(cell, heads[column])),
        ),
      );
    }
  });
}

const text = (cell) => String(cell ?? '–');

function headCell(head) {
  const [title, kind] = Array.isArray(head) ? head : [head, ''];
  return title ? h('th', {scope: 'col', class: kind}, title) : h('td', {class: kind});
}

function bodyCell(cell, head) {
  return h('td', {class: Array.isArray(head) ? head[1] : ''}, cell instanceof Node ? cell : text(cell));
}
