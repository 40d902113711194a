/** Charts over time by uPlot, where npm brought it; everywhere, and on demand, the same numbers as a table. */

import {h, replace, rewrite, say, table} from './dom.js';
import {fullMoment, moment, number} from './format.js';
import {session} from './session.js';

const MOST_ROWS = 120;
const WHOLE = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7].flatMap((ten) => [ten, 2 * ten, 5 * ten]); // steps of an axis
let loading = null;

/** uPlot, or `null` where it is not installed. */
async function library() {
  if (session.dashboard?.charts === false) {
    return null;
  }
  loading ??= new Promise((resolve) => {
    document.head.append(h('link', {rel: 'stylesheet', href: '/static/vendor/uPlot.min.css'}));
    document.head.append(
      h('script', {
        src: '/static/vendor/uPlot.iife.min.js',
        onload: () => resolve(window.uPlot ?? null),
        onerror: () => resolve(null),
      }),
    );
  });
  return loading;
}

/** Colour number `index` of the theme. */
export const colour = (index) => css(`--c${(index % 8) + 1}`);

function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/**
 * A chart that can be fed again and again.
 * @param title Read aloud, and the caption of the table.
 * @param options `{unit, height, stepped, whole, empty}`; `unit` stands at the axis, behind the values of the legend and in
 *   the heads of the table; of `whole` amounts there are no fractions at the axis; `empty` is said while there is nothing.
 * @return `{element, update(times, series)}`: times in Unix seconds, series `{name, values, colour, dash}`.
 */
export function chart(title, options, signal) {
  const plot = h('div', {class: 'plot', role: 'img', 'aria-label': title});
  const rows = h('div', {class: 'plot-rows'});
  const details = h('details', {class: 'numbers'}, h('summary', null, 'Numbers'), rows);
  const element = h('div', {class: 'chart'}, plot, details);
  const own = {title, options, plot, rows, details, drawn: null, shape: '', data: null, width: 0};
  details.addEventListener('toggle', () => fillTable(own));
  const observer = new ResizeObserver(() => fit(own));
  observer.observe(plot);
  plot.addEventListener('mouseleave', () => setTimeout(() => tellLast(own))); // behind what the library does
  addEventListener(
    'themechange',
    () => {
      own.shape = '';
      draw(own);
    },
    {signal},
  );
  signal.addEventListener('abort', () => {
    observer.disconnect();
    own.drawn?.destroy();
    own.drawn = null;
    own.data = null;
  });
  return {
    element,
    update(times, series) {
      if (signal.aborted) {
        return;
      }
      own.data = {times, series};
      draw(own);
      fillTable(own);
    },
  };
}

function fit(own) {
  const width = Math.floor(own.plot.clientWidth);
  if (!own.drawn || !width || width === own.width) {
    return;
  }
  own.width = width;
  own.drawn.setSize({width, height: own.options.height ?? 180});
}

async function draw(own) {
  const UPlot = await library();
  if (!own.data) {
    return;
  }
  const {times, series} = own.data;
  const nothing = !times.length || !series.length;
  if (nothing || !UPlot) {
    own.drawn?.destroy();
    own.drawn = null;
    own.shape = '';
    own.details.open ||= !UPlot && !nothing;
    replace(own.plot, nothing ? h('p', {class: 'empty'}, own.options.empty ?? 'Nothing to show yet.') : null);
    own.plot.classList.toggle('bare', !nothing);
    return;
  }
  const values = [times, ...series.map((one) => one.values)];
  const shape = JSON.stringify([series.map((one) => [one.name, one.colour, one.dash ?? null]), css('--ink')]);
  if (own.drawn && shape === own.shape) {
    own.drawn.setData(values);
    tellLast(own);
    return;
  }
  own.drawn?.destroy();
  own.plot.replaceChildren();
  own.shape = shape;
  own.width = Math.floor(own.plot.clientWidth) || 300;
  own.drawn = new UPlot(settings(UPlot, own, series), values, own.plot);
  setTimeout(() => tellLast(own)); // it draws a moment later
}

/** While nobody points at a moment, the legend tells the newest one of which something is known. */
function tellLast(own) {
  if (!own.drawn || !own.data?.times.length || (own.drawn.cursor.idx ?? null) !== null) {
    return;
  }
  const {times, series} = own.data;
  let last = times.length - 1;
  while (last > 0 && series.every((one) => (one.values[last] ?? null) === null)) {
    last -= 1;
  }
  own.drawn.setLegend({idx: last}, false);
}

function settings(UPlot, own, series) {
  const {unit = '', height = 180, stepped = false, whole = false} = own.options;
  const paths = stepped && UPlot.paths.stepped ? UPlot.paths.stepped({align: 1}) : undefined;
  const axis = {
    stroke: css('--muted'),
    grid: {stroke: css('--line'), width: 1},
    ticks: {stroke: css('--line'), width: 1},
    font: '11px system-ui, sans-serif',
  };
  return {
    width: own.width,
    height,
    padding: [10, 24, 0, 0],
    cursor: {points: {size: 6}, drag: {x: false, y: false}},
    legend: {live: true, markers: {dash: (_, index) => (series[index - 1]?.dash ? 'dashed' : 'solid')}},
    scales: {y: {range: (_, low, high) => [Math.min(0, low ?? 0), (high ?? 0) > 0 ? high * 1.08 : 1]}},
    axes: [
      {...axis, size: 30, space: 70, values: clockTicks},
      {...axis, size: 52, values: amountTicks, ...named(unit, axis), ...(whole ? {incrs: WHOLE} : {})},
    ],
    series: [
      {label: 'time', value: (_, value) => (value === null ? '–' : moment(value))},
      ...series.map((one) => ({
        label: one.name,
        stroke: one.colour,
        width: 1.75,
        dash: one.dash,
        paths,
        spanGaps: false,
        fill: one.fill,
        points: {show: one.values.filter((value) => value !== null).length < 3},
        value: (_, value) =>
          value === null || value === undefined ? '–' : `${number(value)}${unit ? ` ${unit}` : ''}`,
      })),
    ],
  };
}

/** The unit beside an axis, if there is one. */
const named = (unit, {font}) => (unit ? {label: unit, labelFont: font, labelSize: 18, labelGap: 2} : {});

const amountTicks = (_, ticks) => ticks.map((tick) => (tick % 1 ? String(Number(tick.toFixed(2))) : number(tick, 0)));

/** Ticks in this browser's time, 24 hours; days where the axis spans several. */
function clockTicks(plot, ticks) {
  const span = plot.scales.x.max - plot.scales.x.min;
  const style =
    span > 2 * 86400
      ? {day: 'numeric', month: 'short'}
      : span > 600
        ? {hour: '2-digit', minute: '2-digit'}
        : {hour: '2-digit', minute: '2-digit', second: '2-digit'};
  const format = new Intl.DateTimeFormat('en-GB', style);
  return ticks.map((tick) => format.format(new Date(tick * 1000)));
}

/** The newest rows of what the chart shows, built only while they are looked at. */
function fillTable(own) {
  if (!own.details.open || !own.data) {
    return;
  }
  const {times, series} = own.data;
  const first = Math.max(0, times.length - MOST_ROWS);
  const rows = times
    .slice(first)
    .map((time, index) => [fullMoment(time), ...series.map((one) => number(one.values[first + index], 1))])
    .reverse();
  const {unit} = own.options;
  const heads = ['Time', ...series.map((one) => [unit ? `${one.name}, ${unit}` : one.name, 'number'])];
  const columns = JSON.stringify(heads);
  if (own.columns !== columns) {
    own.columns = columns;
    own.table = table(own.title, heads, []);
    own.left = h('p', {class: 'hint'});
    replace(own.rows, own.table, own.left);
  }
  rewrite(own.table, heads, rows);
  own.left.hidden = !first;
  say(own.left, first ? `The newest ${MOST_ROWS} of ${times.length} rows; the CSV has them all.` : '');
}
