// Why a customer is in a segment or is not: each clause of the definition, whether it holds, and what the customer has.
// What a page asks for it is `{ isMember matchesNow source assignedAt sentence clauses { path text variable actual verdict } }`
// of `segmentExplain`.

import { h, notice, table, tag } from './elements.js';
import { count, currency, decimal, instant, number, title } from './words.js';

const VERDICTS = { TRUE: ['✓ holds', 'good'], FALSE: ['✗ does not hold', 'bad'], MISSING: ['– nothing to compare', 'watch'] };
const MONEY = ['total_revenue', 'average_order_value', 'amount'];
const SOURCES = { RULE: 'by the definition', MANUAL: 'by hand', IMPORT: 'by a file' };

/** What made somebody a member, or ended it, in words; `by` is a person, a run or what was written. */
export function sourceWords(source, by = null) {
  const who = by && (by === 'purchases' ? 'after purchases' : by.replace(/^job /, 'run '));
  return [SOURCES[source] ?? title(source), who].filter(Boolean).join(', ');
}

/** The clauses as a table below a sentence that says where the customer stands. */
export function explanation({ isMember, matchesNow, source, assignedAt, clauses }) {
  const standing = isMember
    ? `A member ${sourceWords(source)} since ${instant(assignedAt)}.`
    : 'No member at the moment.';
  if (!clauses.length) return h('p', null, standing, ' The segment has no definition: its members are put in by hand.');
  const expected = isMember === matchesNow ? '' : matchesNow
    ? 'The definition holds now, so the customer enters with the next recalculation.'
    : 'The definition does not hold now, so the customer leaves with the next recalculation.';
  return h('div', { class: 'stack' },
    h('p', null, standing, ` The definition ${matchesNow ? 'holds' : 'does not hold'} now.`),
    expected && source !== 'MANUAL' && notice('info', expected),
    table('Clauses of the definition', [
      { title: 'Clause', cell: clause => clause.text },
      { title: 'The customer has', cell: clause => has(clause.actual, clause.variable) },
      { title: 'Verdict', cell: clause => tag(...VERDICTS[clause.verdict]) },
    ], clauses));
}

function has(value, variable) {
  if (value === null || value.length === 0) return h('span', { class: 'soft' }, 'nothing');
  if (Array.isArray(value)) return value.map(each => (each === null ? 'nothing' : String(each))).join(', ');
  if (typeof value === 'object') return purchases(value);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') return amount(value, variable);
  return /^\d{4}-\d\d-\d\dT/.test(value) ? instant(value) : h('bdi', null, value);
}

/** A number as the variable is counted: money, whole, or with its decimals. */
function amount(value, variable) {
  if (MONEY.includes(variable)) return `${decimal(value, Number.isInteger(value) ? 0 : 2)} ${currency()}`;
  return number(value);
}

/** What a clause about purchases saw: how many there are, how many satisfy it, and the first of those that decided. */
function purchases({ count: all, satisfying, purchases: shown }) {
  return [`${number(satisfying)} of ${count(all, 'purchase or line', 'purchases or lines')}`,
    h('ul', null, shown.map(each => h('li', null,
      [each.externalId && `order ${each.externalId}`, instant(each.purchased_at), amount(each.amount, 'amount'), each.category]
        .filter(Boolean).join(' · '))))];
}
