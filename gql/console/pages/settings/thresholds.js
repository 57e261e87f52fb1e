// Thresholds of the labels, and beside them what a change would do: customers by label as they are and as they would be,
// asked anew while one types.

import { ask } from '../../api.js';
import { fill, h, later, notice, panel, table } from '../../elements.js';
import { count, number, percent, title } from '../../words.js';
import { load, settingsForm } from './form.js';

const LABELS = /* GraphQL */ `
  query Labels($settings: JSON) {
    classificationStatistics(settings: $settings) { dimension label customerCount share }
  }
`;

const GROUPS = [
  ['How often', ['loyal_orders', 'loyal_months', 'lapsed_days', 'festive_percent', 'frequency_order']],
  ['How much', ['high_average_order', 'high_lifetime', 'low_lifetime']],
  ['What', ['dominant_percent', 'family_percent']],
  ['Windows in days', ['rfm_days', 'inactive_days']],
];
const TYPING = 300;
const LISTED = 8;
const NAMED = 4;

export async function show(page) {
  const data = await load(page.signal);
  const effect = preview(page);
  return h('div', { class: 'panels' },
    panel('Thresholds', {}, settingsForm(page, data, GROUPS, effect)),
    effect.element);
}

/**
 * What settings do to the labels, in a panel and in a few words as a note: `follow(changes)` after a pause in typing,
 * broken where the server refuses them.
 */
export function preview(page, dimensions = null) {
  const body = h('div', { class: 'stack' });
  const note = h('p', { class: 'soft', role: 'status' });
  let before = null;
  let asked = null;
  const countLabels = async (settings, signal) => (await ask(LABELS, { settings }, { signal })).classificationStatistics
    .filter(each => !dimensions || dimensions.includes(each.dimension));
  const follow = async changes => {
    asked?.abort();
    asked = new AbortController();
    const signal = AbortSignal.any([page.signal, asked.signal]);
    body.setAttribute('aria-busy', 'true');
    try {
      await new Promise(resolve => { setTimeout(resolve, before ? TYPING : 0); });
      if (signal.aborted) return;
      before ??= await countLabels(null, signal);
      const after = Object.keys(changes).length ? await countLabels(changes, signal) : before;
      if (signal.aborted) return;
      fill(note, sum(before, after, changes));
      fill(body, draw(before, after, changes));
    } catch (error) {
      if (signal.aborted) return;
      fill(note);
      fill(body, notice('warning', 'There is nothing to compare until what is wrong is mended. ', error.message));
      throw error;
    } finally {
      if (!signal.aborted) body.removeAttribute('aria-busy');
    }
  };
  const element = panel('What it does to the labels', {}, later(page, async () => { await follow({}); return body; }));
  element.classList.add('effect');
  return { element, follow, note };
}

/** "Lapsed −525, Regular +413": nothing where nothing would change. */
function sum(before, after, changes) {
  if (!Object.keys(changes).length) return null;
  const moves = list(before, after).flatMap(([, rows]) => rows).map(row => [row.label, row.then - row.now]).filter(([, move]) => move);
  if (!moves.length) return 'No label would have more or fewer customers.';
  return `${moves.slice(0, NAMED).map(([label, move]) => `${label} ${sign(move)}`).join(', ')}${moves.length > NAMED ? ' and more' : ''}.`;
}

const sign = move => `${move > 0 ? '+' : '−'}${number(Math.abs(move))}`;

function draw(before, after, changes) {
  const moved = Object.keys(changes).length > 0;
  const sentence = !before.some(each => each.customerCount) ? 'Nobody has bought yet, so there are no customers with labels to compare.'
    : moved ? 'As it would be; nothing is saved yet.' : 'As it is now. Change something to see what it would do; nothing is saved by that.';
  return [h('p', null, sentence), list(before, after).map(([dimension, rows]) => drawDimension(dimension, rows, moved))];
}

/** By dimension, the labels with their customers now and then. */
const list = (before, after) => [...new Set([...before, ...after].map(each => each.dimension))]
  .map(dimension => [dimension, compare(before, after, dimension)]);

function compare(before, after, dimension) {
  const rows = new Map();
  const put = (list, key) => list.filter(each => each.dimension === dimension).forEach(each => {
    rows.set(each.label, { label: each.label, now: 0, then: 0, ...rows.get(each.label), [key]: each.customerCount, share: each.share });
  });
  put(before, 'now');
  put(after, 'then');
  return [...rows.values()];
}

function drawDimension(dimension, rows, moved) {
  const shown = rows.filter((row, place) => place < LISTED || row.now !== row.then);
  const change = ({ now, then }) => (then === now ? '–' : h('strong', null, `${then > now ? '▲' : '▼'} ${sign(then - now)}`));
  return h('div', null, h('h3', null, title(dimension)), table(`Customers by ${dimension}`, [
    { title: 'Label', cell: row => row.label },
    { title: 'Now', number: true, cell: row => number(row.now) },
    moved ? { title: 'Then', number: true, cell: row => number(row.then) } : { title: 'Share', number: true, cell: row => percent(row.share) },
    ...(moved ? [{ title: 'Change', number: true, cell: change }] : []),
  ], shown), shown.length < rows.length && h('p', { class: 'soft' }, `and ${count(rows.length - shown.length, 'label')} more that stay as they are`));
}
