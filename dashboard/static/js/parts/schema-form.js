/** A form made from a JSON schema: what is left empty has its default and is not written. */

import {field, h, say, select} from '../lib/dom.js';

const FILLED = /\$\{[A-Za-z_]/; // the environment says it
let forms = 0;

/**
 * A form for one object.
 * @param schema Of the object, with `properties`, `required`, `$defs`.
 * @param values What is written now.
 * @param choices `{lines, zones, labels, missing}` of the camera.
 * @param skip Names that are not shown; their values are kept.
 * @return `{element, value(), fault(name, sentence), invalid(), toFault()}`: what nobody has changed is, in `value()`, as
 *   it was given.
 */
export function schemaForm(schema, values, choices, {skip = [], changed = () => {}, locked = false} = {}) {
  forms += 1;
  const controls = new Map();
  let bad = null;
  const required = schema.required ?? [];
  const names = Object.keys(schema.properties ?? {}).filter((name) => !skip.includes(name));
  const order = names.sort((a, b) => Number(required.includes(b)) - Number(required.includes(a)));
  for (const name of order) {
    const about = plain(schema.properties[name], schema.$defs ?? {});
    const control = controlFor(name, about, values[name], choices, locked);
    control.said = h('span', {class: 'fault', id: `form-${forms}-${name}`, hidden: true});
    (control.input ?? control.element).setAttribute('aria-describedby', control.said.id);
    control.element.addEventListener('input', () => {
      control.said.hidden = true;
      changed();
    });
    controls.set(name, {
      ...control,
      about,
      first: JSON.stringify(control.read()),
      box: h('div', {class: 'form-row'}, labelled(name, about, control, required.includes(name)), control.said),
    });
  }
  return {
    element: h(
      'div',
      {class: 'form'},
      [...controls.values()].map((one) => one.box),
    ),
    value() {
      const kept = Object.fromEntries(skip.filter((name) => name in values).map((name) => [name, values[name]]));
      for (const [name, {read, first}] of controls) {
        const now = read();
        const value = JSON.stringify(now) === first ? values[name] : now;
        if (value !== undefined) {
          kept[name] = value;
        }
      }
      return kept;
    },
    invalid() {
      bad = null;
      for (const [name, one] of controls) {
        const text = one.check?.() ?? (required.includes(name) && one.read() === undefined ? 'This is needed.' : null);
        if (text) {
          tell(one, text);
          bad ??= one;
        }
      }
      return bad !== null;
    },
    /** Put the focus where `invalid()` found the first fault. */
    toFault() {
      (bad?.input ?? bad?.element)?.focus?.();
    },
    fault(name, text) {
      const one = controls.get(name);
      if (one) {
        tell(one, text);
      }
      return Boolean(one);
    },
  };
}

function tell(one, text) {
  one.said.hidden = false;
  say(one.said, text);
}

/** The schema behind `$ref` and `anyOf [..., null]`. */
export function plain(schema, defs) {
  const named = schema.$ref ? {...defs[schema.$ref.split('/').pop()], ...schema} : schema;
  const single = named.allOf?.length === 1 ? {...plain(named.allOf[0], defs), ...named} : named;
  const options = (single.anyOf ?? []).filter((option) => option.type !== 'null');
  return options.length === 1 ? {...plain(options[0], defs), ...single, nullable: true} : single;
}

function labelled(name, about, control, needed) {
  const hint = [about.description, rangeText(about), defaultText(about)].filter(Boolean).join('; ');
  const title = `${name.replaceAll('_', ' ')}${needed ? ' *' : ''}`;
  if (control.group) {
    return h(
      'fieldset',
      {class: 'field'},
      h('legend', {class: 'field-name'}, title),
      control.element,
      h('span', {class: 'hint'}, hint),
    );
  }
  return field(title, control.element, hint);
}

function rangeText(about) {
  const low =
    about.exclusiveMinimum !== undefined
      ? `above ${about.exclusiveMinimum}`
      : about.minimum !== undefined
        ? `from ${about.minimum}`
        : '';
  const high =
    about.exclusiveMaximum !== undefined
      ? `below ${about.exclusiveMaximum}`
      : about.maximum !== undefined
        ? `to ${about.maximum}`
        : '';
  return [low, high].filter(Boolean).join(' ');
}

function defaultText(about) {
  const value = about.default;
  return value === undefined || value === null || value === '' || typeof value === 'object' ? '' : `default ${value}`;
}

function controlFor(name, about, value, choices, locked) {
  if (typeof value === 'string' && FILLED.test(value)) {
    return filledControl(about, value, locked);
  }
  if (name === 'line' || name === 'zone') {
    return placeControl(choices[`${name}s`] ?? [], value, locked);
  }
  if (isLabels(name, about) && choices.labels.length) {
    return labelsControl(value, choices, locked);
  }
  const options = about.enum ?? (about.const === undefined ? null : [about.const]);
  if (options) {
    return choiceControl(options, value, locked);
  }
  if (about.type === 'boolean') {
    return choiceControl([true, false], value, locked);
  }
  if (about.type === 'number' || about.type === 'integer') {
    return numberControl(about, value, locked);
  }
  if (about.type === 'string') {
    return textControl(about, value, locked);
  }
  if (about.type === 'array' && about.items?.type === 'string') {
    return listControl(value, locked);
  }
  return jsonControl(value, locked);
}

const isLabels = (name, about) =>
  about.type === 'array' && about.items?.type === 'string' && /labels?$|^persons?$|^gear$/.test(name);

/** What the environment says, by the name of the variable; another value may be written in its place. */
function filledControl(about, value, locked) {
  const element = h('input', {type: 'text', value, disabled: locked, autocomplete: 'off', spellcheck: 'false'});
  const isNumber = about.type === 'number' || about.type === 'integer';
  const written = () => element.value.trim();
  return {
    element,
    read: () => {
      if (FILLED.test(written()) || !isNumber) {
        return written() || undefined;
      }
      return written() === '' ? undefined : Number(written());
    },
    check: () => (isNumber && !FILLED.test(written()) && Number.isNaN(Number(written())) ? 'This is no number.' : null),
  };
}

function choiceControl(options, value, locked) {
  const words = (option) => (option === true ? 'yes' : option === false ? 'no' : String(option));
  const element = select(
    [['', 'default'], ...options.map((option) => [String(option), words(option)])],
    value === undefined || value === null ? '' : String(value),
    {disabled: locked},
  );
  return {
    element,
    read: () => (element.value === '' ? undefined : options.find((option) => String(option) === element.value)),
  };
}

function numberControl(about, value, locked) {
  const element = h('input', {
    type: 'number',
    step: about.type === 'integer' ? 1 : 'any',
    value: value ?? '',
    min: about.minimum,
    max: about.maximum,
    disabled: locked,
    placeholder: about.default === null || about.default === undefined ? '' : String(about.default),
  });
  return {
    element,
    read: () => (element.value === '' ? undefined : Number(element.value)),
    check: () => {
      if (element.validity.badInput) {
        return 'This is no number.';
      }
      const [low, high] = [about.exclusiveMinimum, about.exclusiveMaximum];
      const number = Number(element.value);
      if (element.value !== '' && ((low !== undefined && number <= low) || (high !== undefined && number >= high))) {
        return `Must be ${rangeText(about)}.`;
      }
      return element.validity.valid ? null : element.validationMessage;
    },
  };
}

function textControl(about, value, locked) {
  const element = h('input', {
    type: 'text',
    value: value ?? '',
    maxlength: about.maxLength,
    disabled: locked,
    autocomplete: 'off',
    spellcheck: 'false',
  });
  return {
    element,
    read: () => (element.value.trim() === '' ? undefined : element.value.trim()),
    check: () =>
      about.pattern && element.value && !new RegExp(about.pattern).test(element.value)
        ? 'Small letters, digits, _ and - only.'
        : null,
  };
}

function placeControl(names, value, locked) {
  const known = [...new Set([...names, ...(value && value !== '*' ? [value] : [])])];
  const element = select(
    [
      ['', 'choose …'],
      ['*', '* (each of them)'],
      ...known.map((name) => [name, names.includes(name) ? name : `${name} (is not there)`]),
    ],
    value ?? '',
    {disabled: locked},
  );
  return {element, read: () => element.value || undefined};
}

function labelsControl(value, choices, locked) {
  const chosen = new Set(value ?? []);
  const missing = [...chosen].filter((label) => !choices.labels.includes(label));
  const search =
    choices.labels.length > 14
      ? h('input', {type: 'search', placeholder: 'find a label', 'aria-label': 'Find a label'})
      : null;
  const boxes = [...missing, ...choices.labels].map((label) => {
    const box = h('input', {
      type: 'checkbox',
      value: label,
      checked: chosen.has(label),
      disabled: locked,
      onchange: () => {
        if (box.checked) {
          chosen.add(label);
        } else {
          chosen.delete(label);
        }
        show();
      },
    });
    return {
      label,
      element: h(
        'label',
        {
          class: `chip${missing.includes(label) ? ' missing' : ''}`,
          title: missing.includes(label) ? 'The model does not know this label.' : null,
        },
        box,
        h('span', null, label),
      ),
    };
  });
  const show = () =>
    boxes.forEach(({label, element}) => {
      element.hidden =
        Boolean(search) && !chosen.has(label) && !(search.value && label.includes(search.value.toLowerCase()));
    });
  search?.addEventListener('input', (event) => {
    event.stopPropagation();
    show();
  });
  show();
  return {
    group: true,
    input: search ?? boxes[0]?.element.firstChild,
    element: h(
      'div',
      {class: 'chips'},
      search,
      boxes.map((one) => one.element),
    ),
    read: () => (chosen.size ? [...missing, ...choices.labels].filter((label) => chosen.has(label)) : undefined),
  };
}

function listControl(value, locked) {
  const element = h('input', {
    type: 'text',
    value: Array.isArray(value) ? value.join(', ') : (value ?? ''),
    disabled: locked,
    placeholder: 'one, two',
  });
  return {
    element,
    read: () => {
      const items = element.value
        .split(',')
        .map((item) => item.trim())
        .filter(Boolean);
      return items.length ? items : undefined;
    },
  };
}

/** What no control fits: text if it is a name or a pattern, JSON if it has brackets. */
function jsonControl(value, locked) {
  const text = value === undefined || value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value);
  const element = h('textarea', {rows: text.length > 60 ? 4 : 1, spellcheck: 'false', disabled: locked}, text);
  const parse = () => {
    const written = element.value.trim();
    return /^[[{"\d-]|^(true|false|null)$/.test(written) ? JSON.parse(written) : written;
  };
  return {
    element,
    read: () => {
      if (element.value.trim() === '') {
        return undefined;
      }
      try {
        return parse();
      } catch {
        return element.value.trim();
      }
    },
    check: () => {
      try {
        parse();
        return null;
      } catch {
        return 'This is no valid JSON.';
      }
    },
  };
}
