// Why somebody is in a segment or is not: what made the membership, and each clause of the rule with what the customer
// has. Of `segmentExplain` it needs `clauses { text variable actual verdict }`.

import { h, name, table, tag } from './elements.js';
import { count, currency, decimal, instant, number } from './words.js';

const VERDICTS = { TRUE: ['✓ Holds', 'good'], FALSE: ['✗ Does not hold', 'bad'], MISSING: ['– Nothing known', 'watch'] };
const MONEY = ['total_revenue', 'average_order_value', 'amount'];

/** What made or ended a membership. */
export function whoDid(source, by) {
  if (source !== 'RULE') return [source === 'MANUAL' ? 'by hand' : 'by an import', by && [', ', name(by)]];
  return by === 'purchases' ? 'by the rule, after purchases' : by?.startsWith('job ') ? `by the rule, in run ${by.slice(4)}` : ['by the rule', by && [', ', name(by)]];
}

/** The clauses, each with what the customer has and whether it holds. */
export const clausesTable = clauses => table('Clauses of the rule', [
  { title: 'The rule asks', cell: clause => h('span', { dir: 'auto' }, clause.text) },
  { title: 'The customer has', cell: clause => has(clause.actual, clause.variable) },
  { title: 'Verdict', cell: clause => tag(...VERDICTS[clause.verdict]) },
], clauses, { empty: 'The rule has no clauses.' });

function has(value, variable) {
  if (value === null || value.length === 0) return h('span', { class: 'soft' }, 'nothing');
  if (Array.isArray(value)) return value.map((each, place) => [place > 0 && ', ', has(each, variable)]);
  if (typeof value === 'object') return purchases(value);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') return amount(value, variable);
  return /^\d{4}-\d\d-\d\dT/.test(value) ? instant(value) : name(value);
}

/** A number as the variable is counted: money, or with the decimals that it has. */
function amount(value, variable) {
  if (MONEY.includes(variable)) return `${decimal(value, Number.isInteger(value) ? 0 : 2)} ${currency()}`;
  return number(value);
}

/** What a clause about purchases saw: how many there are, how many satisfy it, and the first of those that decided. */
function purchases({ count: all, satisfying, purchases: shown }) {
  return [`${number(satisfying)} of ${count(all, 'purchase or line', 'purchases or lines')} satisfy it`,
    shown.length > 0 && h('ul', null, shown.map(each => h('li', null,
      [each.externalId && `order ${each.externalId}`, instant(each.purchased_at), amount(each.amount, 'amount'), each.category, each.product]
        .filter(Boolean).join(' · '))))];
}
