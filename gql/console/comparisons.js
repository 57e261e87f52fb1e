// A segment against itself at another time, against other segments, and against one customer: three of the parts of its
// page. What is compared stands in the address.

import { ask, change } from './api.js';
import { bars } from './charts.js';
import {
  button, choice, customerLink, field, h, name, notice, pager, panel, segmentLink, table, tag,
} from './elements.js';
import { finder, whoDid } from './memberships.js';
import { address } from './router.js';
import { ago, count, instant, number, percent } from './words.js';

const SNAPSHOTS = /* GraphQL */ `
  query Snapshots($key: String!) {
    segment(key: $key) { snapshots(first: 250) { nodes { id snapshotDate memberCount } pageInfo { hasNextPage } } }
  }
`;

const COMPARISON = /* GraphQL */ `
  query Comparison($from: ID!, $to: ID!, $entered: String, $left: String, $stayed: String) {
    node(id: $from) {
      ... on Snapshot {
        compare(to: $to) {
          entered(first: 20, after: $entered) { totalCount nodes { externalId name } pageInfo { hasNextPage hasPreviousPage endCursor } }
          left(first: 20, after: $left) { totalCount nodes { externalId name } pageInfo { hasNextPage hasPreviousPage endCursor } }
          stayed(first: 20, after: $stayed) { totalCount nodes { externalId name } pageInfo { hasNextPage hasPreviousPage endCursor } }
        }
      }
    }
  }
`;

const SNAPSHOT = /* GraphQL */ `
  mutation MakeSnapshot($id: ID!) { createSnapshot(segmentId: $id) { snapshot { id } userErrors { message code } } }
`;

const OTHERS = /* GraphQL */ `
  query Others { segments(first: 250, sort: MEMBER_COUNT, reverse: true) { nodes { id key name memberCount } } }
`;

const OVERLAP = /* GraphQL */ `
  query Overlap($ids: [ID!]!) {
    segmentOverlap(segmentIds: $ids) {
      unionCount intersectionCount
      pairs { a { id key name memberCount } b { id key name memberCount } both onlyA onlyB jaccard }
    }
  }
`;

const CUSTOMER = /* GraphQL */ `
  query Customer($externalId: String!) { customer(externalId: $externalId) { id externalId name } }
`;

const EXPLAIN = /* GraphQL */ `
  query Explain($segment: ID!, $customer: ID!) {
    segmentExplain(segmentId: $segment, customerId: $customer) {
      isMember matchesNow source assignedAt clauses { path text variable expected actual verdict }
    }
  }
`;

const MOST_OTHERS = 9;

// Snapshots

export async function showSnapshots(page, segment) {
  const { segment: { snapshots } } = await ask(SNAPSHOTS, { key: segment.key }, { signal: page.signal });
  const make = page.mayEdit && button('Take a snapshot', async () => {
    const { snapshot } = await change(SNAPSHOT, { id: segment.id });
    page.change({ from: page.query.get('from') ?? snapshots.nodes[0]?.id, to: snapshot.id, entered: '', left: '', stayed: '' });
  }, { id: 'take-snapshot' });
  const known = new Set(snapshots.nodes.map(each => each.id));
  const pick = (key, standard) => (known.has(page.query.get(key)) ? page.query.get(key) : snapshots.nodes[standard]?.id);
  const [from, to] = [pick('from', 1), pick('to', 0)];
  const lead = h('p', { class: 'soft' }, 'A snapshot keeps who was in the segment at an instant; every run leaves one. Two of them say who entered and who left between.');
  if (!from) return h('div', { class: 'stack' }, lead, h('p', { class: 'empty' }, to ? 'There is one snapshot; it takes a second one to compare.' : 'There is no snapshot yet.'), make);
  const options = snapshots.nodes.map(each => [each.id, `${instant(each.snapshotDate)}: ${count(each.memberCount, 'member')}`]);
  const select = (key, label, value) => {
    const control = choice(options, value, { id: `snapshot-${key}`, onchange: () => page.change({ [key]: control.value, entered: '', left: '', stayed: '' }) });
    return field(label, control);
  };
  const { node } = await ask(COMPARISON, { from, to, ...Object.fromEntries(['entered', 'left', 'stayed'].map(key => [key, page.query.get(key)])) }, { signal: page.signal });
  const whoIs = (key, heading, none) => panel(`${heading}: ${number(node.compare[key].totalCount)}`, {},
    node.compare[key].nodes.length
      ? h('ul', { class: 'list' }, node.compare[key].nodes.map(customer => h('li', null, customerLink(customer))))
      : h('p', { class: 'empty' }, none),
    pager(page, { pageInfo: node.compare[key].pageInfo }, heading.toLowerCase(), { after: key, before: null }));
  return h('div', { class: 'stack' }, lead,
    h('div', { class: 'toolbar foot' }, select('from', 'From', from), select('to', 'To', to), make),
    snapshots.pageInfo.hasNextPage && h('p', { class: 'soft' }, 'The newest 250 can be chosen.'),
    h('div', { class: 'panels three' }, whoIs('entered', 'Entered', 'Nobody entered between them.'), whoIs('left', 'Left', 'Nobody left between them.'),
      whoIs('stayed', 'Stayed', 'Nobody is in both.')));
}

// Overlap with others

export async function showOverlap(page, segment) {
  const { segments } = await ask(OTHERS, {}, { signal: page.signal });
  const others = segments.nodes.filter(each => each.id !== segment.id);
  if (!others.length) return h('p', { class: 'empty' }, 'There is no other segment to compare with.');
  const asked = page.query.getAll('with');
  const chosen = asked.length ? others.filter(each => asked.includes(each.key)).slice(0, MOST_OTHERS) : others.slice(0, 4);
  const rest = others.filter(each => !chosen.includes(each)).toSorted((a, b) => a.name.localeCompare(b.name));
  const adding = choice(rest.map(each => [each.key, each.name]), '', { id: 'other' });
  const keys = chosen.map(each => each.key);
  const picked = h('ul', { class: 'chips' }, chosen.map(each => h('li', null, segmentLink(each),
    chosen.length > 1 && h('a', { class: 'off', id: `without-${each.key}`, href: page.address({ with: keys.filter(key => key !== each.key) }), 'aria-label': `Without ${each.name}` }, '×'))));
  const { segmentOverlap: overlap } = await ask(OVERLAP, { ids: [segment.id, ...chosen.map(each => each.id)] }, { signal: page.signal });
  const mine = overlap.pairs.filter(pair => pair.a.id === segment.id || pair.b.id === segment.id).map(pair => (pair.a.id === segment.id
    ? { other: pair.b, both: pair.both, here: pair.onlyA, there: pair.onlyB, jaccard: pair.jaccard }
    : { other: pair.a, both: pair.both, here: pair.onlyB, there: pair.onlyA, jaccard: pair.jaccard }));
  const most = mine.toSorted((a, b) => b.both - a.both)[0];
  return h('div', { class: 'stack' },
    h('div', { class: 'row' }, h('span', { class: 'soft' }, 'Compared with'), picked),
    rest.length > 0 && chosen.length < MOST_OTHERS && h('div', { class: 'toolbar foot' }, field('Another segment', adding),
      button('Add', () => page.change({ with: [...keys, adding.value] }), { id: 'add-other' })),
    h('p', null, `${count(overlap.unionCount, 'customer')} ${overlap.unionCount === 1 ? 'is' : 'are'} in at least one of these `
      + `${chosen.length + 1} segments, ${number(overlap.intersectionCount)} in all of them.`),
    h('div', { class: 'panels' },
      h('div', { class: 'panel' }, bars({
        title: 'Members who are in another, too', unit: 'In both', labelTitle: 'Segment', shareOf: segment.memberCount,
        finding: most.both ? `Most are in “${most.other.name}”: ${number(most.both)} of ${number(segment.memberCount)}.` : 'No member is in any of the others.',
        rows: mine.map(row => ({ label: row.other.name, value: row.both, href: bothAddress(segment, row.other) })) })),
      h('div', { class: 'panel' }, table('Overlap with each', [
        { title: 'Segment', cell: row => segmentLink(row.other) },
        { title: 'In both', number: true, cell: row => h('a', { href: bothAddress(segment, row.other) }, number(row.both)) },
        { title: 'Only here', number: true, cell: row => number(row.here) },
        { title: 'Only there', number: true, cell: row => number(row.there) },
        { title: 'Alike', number: true, cell: row => percent(row.jaccard) },
      ], mine), h('p', { class: 'soft' }, '“Alike” is the Jaccard index: of all who are in one of the two or in both, the share who are in both. 100 % are the same members, 0 % have none in common.'))),
    chosen.length > 1 && h('details', { id: 'pairs' }, h('summary', null, 'Every pair'), table('Every pair', [
      { title: 'Segment', cell: pair => segmentLink(pair.a) }, { title: 'And', cell: pair => segmentLink(pair.b) },
      { title: 'In both', number: true, cell: pair => number(pair.both) },
      { title: 'Only in the first', number: true, cell: pair => number(pair.onlyA) },
      { title: 'Only in the second', number: true, cell: pair => number(pair.onlyB) },
      { title: 'Alike', number: true, cell: pair => percent(pair.jaccard) }], overlap.pairs)));
}

/** The customers who are in both. */
const bothAddress = (one, other) => address('/customers', { segment: [one.key, other.key] });

// Why somebody is in it, or not

export async function showWhy(page, segment) {
  const search = finder('Look somebody up', async customer => page.change({ customer: customer.externalId }));
  const externalId = page.query.get('customer');
  if (!externalId) {
    return h('div', { class: 'stack' }, h('p', { class: 'soft' }, 'Choose a customer: each clause of the rule is shown with what it asks and what the customer has.'), search);
  }
  const { customer } = await ask(CUSTOMER, { externalId }, { signal: page.signal });
  if (!customer) return h('div', { class: 'stack' }, notice('warning', `There is no customer with the id “${externalId}”.`), search);
  const { segmentExplain: why } = await ask(EXPLAIN, { segment: segment.id, customer: customer.id }, { signal: page.signal });
  const verdicts = { TRUE: tag('Holds', 'good'), FALSE: tag('Does not hold', 'bad'), MISSING: tag('Nothing known', 'watch') };
  return h('div', { class: 'stack' }, search,
    panel(['Is ', customerLink(customer), ' in it?'], {},
      h('p', null, h('strong', null, why.isMember ? 'Yes. ' : 'No. '), verdict(segment, why)),
      segment.kind === 'AUTOMATIC' && table('Clauses of the rule', [
        { title: 'The rule asks', cell: clause => h('span', { dir: 'auto' }, clause.text) },
        { title: 'The customer has', cell: clause => actual(clause) },
        { title: 'Verdict', cell: clause => verdicts[clause.verdict].cloneNode(true) },
      ], why.clauses, { empty: 'The rule has no clauses.' })));
}

/** Membership and match told apart: the one is what was calculated, the other what is true at this moment. */
function verdict(segment, { isMember, matchesNow, source, assignedAt, clauses }) {
  const since = isMember && [`In since ${instant(assignedAt)}, `, whoDid(source, null), '. '];
  if (segment.kind === 'MANUAL') return isMember ? since : 'Nobody put this customer in.';
  if (isMember && matchesNow) return [since, 'Everything that the rule asks holds now.'];
  if (isMember) return [since, `The rule no longer holds: the membership ends ${whenNext(segment)}.`];
  if (matchesNow) return `But everything that the rule asks holds now: the membership begins ${whenNext(segment)}.`;
  return `${number(clauses.filter(clause => clause.verdict !== 'TRUE').length)} of ${count(clauses.length, 'clause')} of the rule do not hold.`;
}

const whenNext = segment => (segment.nextRunAt ? `with the next run, ${ago(segment.nextRunAt)}, or when it is recalculated` : 'when the segment is recalculated');

function actual({ actual: value }) {
  if (value === null) return h('span', { class: 'soft' }, 'nothing');
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') return new Intl.NumberFormat(navigator.language, { maximumFractionDigits: 6 }).format(value);
  if (Array.isArray(value)) return value.length ? value.map((each, place) => [place ? ', ' : '', name(String(each))]) : 'none';
  if (typeof value === 'object') {
    return [`${number(value.satisfying)} of ${number(value.count)} satisfy it`,
      value.purchases.length > 0 && h('ul', null, value.purchases.map(each => h('li', null, Object.entries(each).map(([key, one], place) =>
        `${place ? ', ' : ''}${key === 'externalId' ? 'order' : key.replaceAll('_', ' ')} ${plain(one)}`))))];
  }
  return name(plain(value));
}

const plain = value => (/^\d{4}-\d\d-\d\dT/.test(value) ? instant(value) : String(value ?? '–'));
