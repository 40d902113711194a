/** The drawing as SVG over the picture: shapes, handles, the direction of lines, the metric grid. */

import {svg} from '../lib/dom.js';
import {metresBetween, metricGrid} from './ground.js';
import {faultOf, inward, middle} from './plane.js';

const percent = ([x, y]) => `${Math.round(x * 100)} % from the left, ${Math.round(y * 100)} % from the top`;

/** Draw everything anew; what had the focus has it again. */
export function render(own) {
  const {
    root,
    size: [width, height],
  } = own;
  const focused = root.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const unit = width / Math.max(1, root.clientWidth || width); // picture pixels in a pixel of the screen
  const draw = {own, unit, at: ([x, y]) => [x * width, y * height]};
  const {items, calibration} = own.steps.now;
  const children = [];
  if (calibration && own.showsGrid) {
    children.push(grid(draw, calibration));
  }
  children.push(...items.filter((item) => item.id !== own.selected).map((item) => shape(draw, item)));
  children.push(...items.filter((item) => item.id === own.selected).map((item) => shape(draw, item)));
  if (calibration && own.selected === 'ground') {
    children.push(...groundHandles(draw, calibration));
  }
  if (calibration && own.tape) {
    children.push(tape(draw, calibration));
  }
  if (own.draft) {
    children.push(draft(draw));
  }
  root.replaceChildren(...children.filter(Boolean));
  if (focused) {
    refocus(own, focused);
  }
}

/** The same again; where it is gone, what is left of its shape, another shape, or the tools. */
function refocus(own, key) {
  const [, id] = key.split('-');
  const keys = [key, `point-${id}-0`, `item-${id}`].map((one) => `[data-key="${CSS.escape(one)}"]`);
  const found = [...keys, '[data-key^="item-"]'].map((one) => own.root.querySelector(one)).find(Boolean);
  (found ?? own.home)?.focus({preventScroll: true});
}

const path = (draw, points, closed) =>
  `${points
    .map(
      (point, index) =>
        `${index ? 'L' : 'M'}${draw
          .at(point)
          .map((value) => value.toFixed(1))
          .join(' ')}`,
    )
    .join('')}${closed ? 'Z' : ''}`;

function shape(draw, item) {
  const {own} = draw;
  const chosen = own.selected === item.id;
  const bad = faultOf(item.kind, item.points) || own.faulty?.has(item.name);
  const closed = item.kind === 'zone';
  const group = svg('g', {
    class: `shape ${item.kind}${chosen ? ' chosen' : ''}${bad ? ' bad' : ''}`,
    tabindex: '0',
    role: 'button',
    'aria-label': `${item.kind} ${item.name}`,
    'aria-pressed': String(chosen),
    'data-key': `item-${item.id}`,
    'data-item': item.id,
  });
  group.append(
    svg('path', {class: 'reach', d: path(draw, item.points, closed)}),
    svg('path', {class: 'stroke', d: path(draw, item.points, closed)}),
  );
  const marks = label(draw, closed ? top(item.points) : item.points[0], item.name, closed ? 14 : -14);
  const whole = svg(
    'g',
    {class: `tint ${item.kind}${bad ? ' bad' : ''}`},
    group,
    closed ? null : arrow(draw, item),
    marks,
  );
  if (!chosen) {
    return whole;
  }
  const handles = item.points.map((point, index) =>
    handle(
      draw,
      point,
      `${item.id}-${index}`,
      closed
        ? `Corner ${index + 1} of ${item.name}: ${percent(point)}`
        : `End ${'AB'[index]} of ${item.name}: ${percent(point)}`,
      closed ? '' : 'AB'[index],
    ),
  );
  const extra = closed ? item.points.map((point, index) => adder(draw, item, index)) : [];
  whole.append(...extra, ...handles);
  return whole;
}

/** An arrow across the middle of a line, to where `in` counts. */
function arrow(draw, item) {
  const [a, b] = item.points.map(draw.at);
  const [nx, ny] = inward([a, b]);
  const [mx, my] = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
  const long = 26 * draw.unit;
  const [tx, ty] = [mx + nx * long, my + ny * long];
  const wing = 8 * draw.unit;
  const head = `M${tx} ${ty}L${tx - nx * wing - ny * wing * 0.7} ${ty - ny * wing + nx * wing * 0.7}M${tx} ${ty}L${tx - nx * wing + ny * wing * 0.7} ${ty - ny * wing - nx * wing * 0.7}`;
  return svg(
    'g',
    {class: 'arrow'},
    svg('path', {d: `M${mx} ${my}L${tx} ${ty}${head}`}),
    svg(
      'text',
      {
        x: tx + nx * 11 * draw.unit,
        y: ty + ny * 11 * draw.unit,
        'font-size': 12 * draw.unit,
        'text-anchor': 'middle',
        'dominant-baseline': 'middle',
      },
      'in',
    ),
  );
}

/** The middle between the two highest corners. */
const top = (points) => middle(points.toSorted((a, b) => a[1] - b[1]).slice(0, 2));

function label(draw, point, text, up) {
  const [x, y] = draw.at(point);
  const size = 12.5 * draw.unit;
  const attributes = {
    x,
    y: Math.max(size, y + up * draw.unit),
    'font-size': size,
    'text-anchor': 'middle',
    'dominant-baseline': 'middle',
  };
  return [svg('text', {class: 'name', ...attributes}, text)];
}

function handle(draw, point, key, said, letter = '') {
  const [x, y] = draw.at(point);
  return svg(
    'g',
    {class: 'handle', tabindex: '0', role: 'button', 'aria-label': said, 'data-key': `point-${key}`, 'data-point': key},
    svg('circle', {class: 'touch', cx: x, cy: y, r: 18 * draw.unit}),
    svg('circle', {class: 'knob', cx: x, cy: y, r: 7 * draw.unit}),
    letter
      ? svg(
          'text',
          {x, y, 'font-size': 9.5 * draw.unit, 'text-anchor': 'middle', 'dominant-baseline': 'central'},
          letter,
        )
      : null,
  );
}

function adder(draw, item, index) {
  const [x, y] = draw.at(middle([item.points[index], item.points[(index + 1) % item.points.length]]));
  return svg(
    'g',
    {
      class: 'adder',
      tabindex: '0',
      role: 'button',
      'aria-label': `New corner behind corner ${index + 1} of ${item.name}`,
      'data-key': `add-${item.id}-${index}`,
      'data-add': `${item.id}-${index}`,
    },
    svg('circle', {class: 'touch', cx: x, cy: y, r: 14 * draw.unit}),
    svg('circle', {class: 'knob', cx: x, cy: y, r: 4.5 * draw.unit}),
  );
}

function grid(draw, calibration) {
  const found = metricGrid(calibration);
  const quad = svg('path', {class: 'quad', d: path(draw, calibration.image, true)});
  if (!found) {
    return svg('g', {class: 'ground bad'}, quad);
  }
  return svg(
    'g',
    {class: 'ground'},
    svg('path', {class: 'mesh', d: found.lines.map((line) => path(draw, line, false)).join('')}),
    quad,
  );
}

function groundHandles(draw, calibration) {
  return calibration.image.map((point, index) =>
    handle(draw, point, `ground-${index}`, `Ground point ${index + 1}: ${percent(point)}`, String(index + 1)),
  );
}

/** A tape between two points, with the metres between them. */
function tape(draw, calibration) {
  const {own} = draw;
  const metres = metresBetween(calibration, ...own.tape);
  const [[ax, ay], [bx, by]] = own.tape.map(draw.at);
  const handles = own.tape.map((point, index) =>
    handle(draw, point, `tape-${index}`, `End ${index + 1} of the tape: ${percent(point)}`),
  );
  return svg(
    'g',
    {class: 'tape'},
    svg('path', {d: `M${ax} ${ay}L${bx} ${by}`}),
    svg(
      'text',
      {
        class: 'name',
        x: (ax + bx) / 2,
        y: (ay + by) / 2 - 12 * draw.unit,
        'font-size': 13 * draw.unit,
        'text-anchor': 'middle',
      },
      metres === null ? 'behind the horizon' : `${metres.toFixed(2)} m`,
    ),
    handles,
  );
}

function draft(draw) {
  const {own} = draw;
  const points = own.hover ? [...own.draft, own.hover] : own.draft;
  return svg(
    'g',
    {class: `shape ${own.tool} draft`},
    svg('path', {class: 'stroke', d: path(draw, points, own.tool === 'zone' && points.length > 2)}),
    own.draft.map((point, index) =>
      svg('circle', {
        class: index ? 'knob' : 'knob start',
        cx: draw.at(point)[0],
        cy: draw.at(point)[1],
        r: (index ? 4 : 7) * draw.unit,
      }),
    ),
  );
}
