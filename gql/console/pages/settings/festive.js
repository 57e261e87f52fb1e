// Festive periods: days of every year, or of one; a year with them as a picture; and what a change does to Seasonal.

import { choice, fill, h, panel, s } from '../../elements.js';
import { today } from '../../words.js';
import { describe, listed, load, settingsForm } from './form.js';
import { preview } from './thresholds.js';

const YEARLY = /^\d\d-\d\d$/;
// A leap year, so that every day of every year has a place.
const SOME_YEAR = 2024;
const DAYS = 366;
const MONTHS = Array.from({ length: 12 }, (_, month) => new Date(Date.UTC(SOME_YEAR, month, 1)));

export async function show(page) {
  const data = await load(page.signal);
  const effect = preview(page, ['frequency']);
  const picture = h('div', null, drawYear(data.settings.get('festive_periods').value));
  const follow = changes => {
    fill(picture, drawYear(changes.festive_periods ?? data.settings.get('festive_periods').value));
    return effect.follow(changes);
  };
  return h('div', { class: 'panels' },
    panel('Festive periods', {}, picture,
      h('p', { class: 'soft' }, describe('Both ends belong to a period. One of every year may go past the new year')),
      settingsForm(page, data, [['', ['festive_periods', 'festive_percent']]], { makers: { festive_periods: () => listed('period', makeRow, { from: '01-01', to: '01-06' }) }, follow, note: effect.note })),
    effect.element);
}

function makeRow({ from, to }) {
  let ends = YEARLY.test(from) ? [yearlyDay('from', from), yearlyDay('to', to)] : [datedDay('from', from), datedDay('to', to)];
  const place = h('span', { class: 'row' });
  const draw = () => fill(place, ends[0].element, h('span', null, 'to'), ends[1].element);
  const when = choice([['yearly', 'Every year'], ['once', 'Once']], YEARLY.test(from) ? 'yearly' : 'once', {
    'aria-label': 'How often',
    oninput: () => {
      const year = today().slice(0, 4);
      ends = ends.map((end, which) => (when.value === 'once'
        ? datedDay(which ? 'to' : 'from', `${year}-${end.read()}`) : yearlyDay(which ? 'to' : 'from', end.read().slice(5) || '01-01')));
      draw();
    },
  });
  draw();
  return { element: h('li', { class: 'row' }, when, place), read: () => ({ from: ends[0].read(), to: ends[1].read() }) };
}

function yearlyDay(which, value) {
  const [month, day] = value.split('-');
  const months = choice(MONTHS.map((each, place) => [String(place + 1).padStart(2, '0'), monthName(each, 'long')]), month, { 'aria-label': `Month ${which}` });
  const days = h('input', { type: 'number', min: 1, max: 31, value: Number(day), 'aria-label': `Day ${which}` });
  return { element: h('span', { class: 'row' }, days, months), read: () => `${months.value}-${days.value.padStart(2, '0')}` };
}

function datedDay(which, value) {
  const element = h('input', { type: 'date', value, 'aria-label': `Day ${which}` });
  return { element, read: () => element.value };
}

const monthName = (date, length) => new Intl.DateTimeFormat(navigator.language, { month: length, timeZone: 'UTC' }).format(date);

/** A year as a strip, its festive days marked. */
function drawYear(value) {
  const year = today().slice(0, 4);
  const spans = value.flatMap(({ from, to }) => (YEARLY.test(from)
    ? from <= to ? [[from, to]] : [[from, '12-31'], ['01-01', to]]
    : from.slice(0, 4) <= year && to.slice(0, 4) >= year ? [[from < year ? '01-01' : from.slice(5), to.slice(0, 4) > year ? '12-31' : to.slice(5)]] : []));
  const at = day => (Date.parse(`${SOME_YEAR}-${day}T00:00:00Z`) - MONTHS[0]) / 86_400_000;
  const marks = spans.map(([from, to]) => [at(from), at(to) + 1]).filter(([start, end]) => end > start);
  const days = new Set(marks.flatMap(([start, end]) => Array.from({ length: end - start }, (_, place) => start + place))).size;
  return h('figure', { class: 'chart' },
    s('svg', { viewBox: `0 0 ${DAYS} 30`, role: 'img', 'aria-label': `${days} days of ${year} are festive`, class: 'year' },
      MONTHS.map(month => s('line', { x1: (month - MONTHS[0]) / 86_400_000, x2: (month - MONTHS[0]) / 86_400_000, y1: 0, y2: 16, class: 'tick' })),
      s('rect', { width: DAYS, height: 16, class: 'whole-year' }),
      marks.map(([start, end]) => s('rect', { x: start, width: end - start, height: 16, class: 'marked' })),
      MONTHS.map(month => s('text', { x: (month - MONTHS[0]) / 86_400_000 + 15, y: 27 }, monthName(month, 'narrow')))),
    h('figcaption', { class: 'soft' }, `${days} days of ${year} are festive.`));
}
