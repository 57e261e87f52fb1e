// The box of RFM scores as a map: recency by frequency, in slices of money, with the customers who have each score.
// What is chosen is a range of each of the three.

import { fill, h } from './elements.js';
import { count, number } from './words.js';

const SCORES = [1, 2, 3, 4, 5];
const METRICS = [['Recency', '5 is just now'], ['Frequency', '5 is the most orders'],
  ['Money', '5 is the most spend']];

/** The range after a score was pressed: it grows to that score, loses it at an end, or becomes only that score. */
export function pressScore([low, high], score) {
  if (score < low) return [score, high];
  if (score > high) return [low, score];
  if (low === high) return [low, high];
  if (score === low) return [low + 1, high];
  if (score === high) return [low, high - 1];
  return [score, score];
}

/**
 * A picker of ranges, three pairs of scores; `changed(ranges)` is called with other ones. `findCells` promises the cells
 * of a report, which say how many customers there are.
 */
export function scorePicker(given, findCells, changed) {
  let [ranges, cells] = [given, null];
  const map = h('div', { class: 'wide' });
  const words = h('p', { role: 'status' });
  const has = (metric, score) => ranges[metric][0] <= score && score <= ranges[metric][1];
  const sum = wanted => cells.filter(wanted).reduce((all, cell) => all + cell.customerCount, 0);

  function toggle(metric, score) {
    const [metricName, meaning] = METRICS[metric];
    return h('button', {
      type: 'button', id: `score-${metric}-${score}`, 'aria-pressed': String(has(metric, score)),
      'aria-label': `${metricName} ${score}`, title: meaning,
      onclick: () => {
        ranges = ranges.map((range, place) => (place === metric ? pressScore(range, score) : range));
        draw();
        map.querySelector(`#score-${metric}-${score}`).focus();
        changed(ranges);
      },
    }, String(score));
  }

  function cell(recency, frequency) {
    const inside = has(0, recency) && has(1, frequency);
    const customers = cells
      && sum(each => each.recency === recency && each.frequency === frequency && has(2, each.monetary));
    return h('td', { class: inside ? 'number in' : 'number' }, cells ? number(customers) : '…',
      inside && h('span', { class: 'unseen' }, ' chosen'));
  }

  function draw() {
    const row = (title, cells) => h('tr', null, h('th', { scope: 'row' }, title), cells);
    fill(map, h('table', { class: 'scores' },
      h('caption', { class: 'unseen' }, 'Customers by recency and frequency, with the chosen scores of money'),
      h('thead', null, h('tr', null, h('th', { scope: 'col' }, 'Recency ↓ Frequency →'),
        SCORES.map(score => h('th', { scope: 'col' }, toggle(1, score))))),
      h('tbody', null, SCORES.toReversed().map(recency =>
        row(toggle(0, recency), SCORES.map(score => cell(recency, score))))),
      h('tfoot', null, row('Money', SCORES.map(score => h('td', { class: 'number' }, toggle(2, score)))))));
    const said = ranges.map(([low, high], metric) => {
      const range = low === high ? String(low) : low === 1 && high === 5 ? 'any' : `${low} to ${high}`;
      return `${METRICS[metric][0].toLowerCase()} ${range}`;
    }).join(', ');
    const chosen = cells && sum(each => has(0, each.recency) && has(1, each.frequency) && has(2, each.monetary));
    fill(words, `Chosen: ${said}.`, cells && ` ${count(chosen, 'customer has', 'customers have')} such scores.`);
  }

  draw();
  findCells().then(found => { cells = found; draw(); }).catch(() => {});
  return h('div', { class: 'stack' },
    h('p', { class: 'soft' }, 'Press scores to widen or narrow a range. ',
      METRICS.map(([each, meaning]) => `${each}: ${meaning}`).join('; '), '.'),
    map, words);
}
