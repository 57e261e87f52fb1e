// A segment against itself at another time, against other segments, and against one customer: three of the parts of
// its page. What is compared stands in the address.

import { ask, change } from '../../api.js';
import { bars } from '../../charts.js';
import {
  button, choice, customerLink, field, h, notice, pager, panel, segmentLink, table,
} from '../../elements.js';
import { clausesTable, whoDid } from '../../explanation.js';
import { address } from '../../router.js';
import { ago, count, instant, number, percent } from '../../words.js';
import { customerFinder } from './memberships.js';

const SNAPSHOTS = /* GraphQL */ `
  query Snapshots($key: String!) {
    segment(key: $key) {
      snapshots(first: 250) { nodes { id snapshotDate memberCount } pageInfo { hasNextPage } }
    }
  }
`;

const COMPARISON = /* GraphQL */ `
  query Comparison($from: ID!, $to: ID!, $entered: String, $left: String, $stayed: String) {
    node(id: $from) {
      ... on Snapshot {
        compare(to: $to) {
          entered(first: 20, after: $entered) {
            totalCount nodes { id externalId name } pageInfo { hasNextPage hasPreviousPage endCursor }
          }
          left(first: 20, after: $left) {
            totalCount nodes { id externalId name } pageInfo { hasNextPage hasPreviousPage endCursor }
          }
          stayed(first: 20, after: $stayed) {
            totalCount nodes { id externalId name } pageInfo { hasNextPage hasPreviousPage endCursor }
          }
        }
      }
    }
  }
`;

const SNAPSHOT = /* GraphQL */ `
  mutation MakeSnapshot($id: ID!) {
    createSnapshot(segmentId: $id) { snapshot { id } userErrors { message code } }
  }
`;

const OTHERS = /* GraphQL */ `
  query Others {
    segments(first: 250, sort: MEMBER_COUNT, reverse: true) { nodes { id key name } }
  }
`;

const OVERLAP = /* GraphQL */ `
  query Overlap($ids: [ID!]!) {
    segmentOverlap(segmentIds: $ids) {
      unionCount intersectionCount
      pairs { a { id key name } b { id key name } both onlyA onlyB jaccard }
    }
  }
`;

const CUSTOMER = /* GraphQL */ `
  query Customer($externalId: String!) { customer(externalId: $externalId) { id externalId name } }
`;

const EXPLAIN = /* GraphQL */ `
  query Explain($segment: ID!, $customer: ID!) {
    segmentExplain(segmentId: $segment, customerId: $customer) {
      isMember matchesNow source assignedAt clauses { text variable actual verdict }
    }
  }
`;

const COMPARED = { entered: 'Entered', left: 'Left', stayed: 'Stayed' };
const FIRST_PAGES = { entered: '', left: '', stayed: '' };
const MOST_OTHERS = 9;
const USUAL_OTHERS = 4;

// Snapshots

export async function showSnapshots(page, segment) {
  const { segment: { snapshots } } = await ask(SNAPSHOTS, { key: segment.key }, { signal: page.signal });
  const known = snapshots.nodes.map(each => each.id);
  const pick = (key, standard) => (known.includes(page.query.get(key)) ? page.query.get(key) : known[standard]);
  const [from, to] = [pick('from', 1), pick('to', 0)];
  const take = page.mayEdit && button('Take a snapshot', async () => {
    const { snapshot } = await change(SNAPSHOT, { id: segment.id });
    page.change({ ...FIRST_PAGES, from: page.query.get('from') ?? known[0], to: snapshot.id });
  }, { id: 'take-snapshot' });
  const lead = h('p', { class: 'soft' }, 'A snapshot keeps who was in the segment at an instant; every run leaves one. '
    + 'Two of them say who entered and who left between.');
  if (!from) {
    const why = to ? 'There is one snapshot; it takes a second one to compare.' : 'There is no snapshot yet.';
    return h('div', { class: 'stack' }, lead, h('p', { class: 'empty' }, why), take);
  }
  const options = snapshots.nodes.map(each => [each.id, `${instant(each.snapshotDate)}: ${count(each.memberCount, 'member')}`]);
  const select = (key, label, value) => {
    const chosen = choice(options, value, {
      id: `snapshot-${key}`, onchange: () => page.change({ ...FIRST_PAGES, from, to, [key]: chosen.value }),
    });
    return field(label, chosen);
  };
  const pages = Object.fromEntries(Object.keys(COMPARED).map(key => [key, page.query.get(key)]));
  const { node: { compare } } = await ask(COMPARISON, { from, to, ...pages }, { signal: page.signal });
  return h('div', { class: 'stack' }, lead,
    h('div', { class: 'toolbar foot' }, select('from', 'From', from), select('to', 'To', to), take),
    snapshots.pageInfo.hasNextPage && h('p', { class: 'soft' }, 'The newest 250 can be chosen.'),
    h('div', { class: 'panels three' }, Object.entries(COMPARED).map(([key, heading]) => whoIs(page, key, heading, compare[key]))));
}

function whoIs(page, key, heading, { totalCount, nodes, pageInfo }) {
  return panel(`${heading}: ${number(totalCount)}`, {},
    nodes.length > 0
      ? h('ul', { class: 'list' }, nodes.map(customer => h('li', null, customerLink(customer))))
      : h('p', { class: 'empty' }, 'Nobody.'),
    pager(page, { pageInfo }, heading.toLowerCase(), { after: key, before: null }));
}

// Overlap with others

export async function showOverlap(page, segment) {
  const { segments } = await ask(OTHERS, {}, { signal: page.signal });
  const others = segments.nodes.filter(each => each.id !== segment.id);
  if (!others.length) return h('p', { class: 'empty' }, 'There is no other segment to compare with.');
  const asked = page.query.getAll('with');
  const chosen = asked.length
    ? others.filter(each => asked.includes(each.key)).slice(0, MOST_OTHERS) : others.slice(0, USUAL_OTHERS);
  const ids = [segment, ...chosen].map(each => each.id);
  const { segmentOverlap: overlap } = await ask(OVERLAP, { ids }, { signal: page.signal });
  const rows = overlap.pairs.flatMap(({ a, b, both, onlyA, onlyB, jaccard }) => {
    if (a.id === segment.id) return [{ other: b, both, here: onlyA, there: onlyB, jaccard }];
    return b.id === segment.id ? [{ other: a, both, here: onlyB, there: onlyA, jaccard }] : [];
  });
  const most = rows.toSorted((a, b) => b.both - a.both)[0];
  return h('div', { class: 'stack' },
    chooseOthers(page, chosen, others),
    h('p', null, `${count(overlap.unionCount, 'customer')} ${overlap.unionCount === 1 ? 'is' : 'are'} in at least one of `
      + `these ${ids.length} segments, ${number(overlap.intersectionCount)} in all of them.`),
    h('div', { class: 'panels' },
      h('div', { class: 'panel' }, bars({
        title: 'Members who are in another, too', unit: 'In both', labelTitle: 'Segment', shareOf: segment.memberCount,
        finding: most.both
          ? `Most are in “${most.other.name}”: ${number(most.both)} of ${number(segment.memberCount)}.`
          : 'No member is in any of the others.',
        rows: rows.map(({ other, both }) => ({ label: other.name, value: both, href: bothAddress(segment, other) })),
      })),
      h('div', { class: 'panel' }, table('Overlap with each', [
        { title: 'Segment', cell: row => segmentLink(row.other) },
        { title: 'In both', number: true, cell: row => h('a', { href: bothAddress(segment, row.other) }, number(row.both)) },
        { title: 'Only here', number: true, cell: row => number(row.here) },
        { title: 'Only there', number: true, cell: row => number(row.there) },
        { title: 'Alike', number: true, cell: row => percent(row.jaccard) },
      ], rows),
      h('p', { class: 'soft' }, '“Alike” is the Jaccard index: of all who are in one of the two or in both, the share who '
        + 'are in both. 100 % are the same members, 0 % have none in common.'))),
    chosen.length > 1 && h('details', { id: 'pairs' }, h('summary', null, 'Every pair'), table('Every pair', [
      { title: 'Segment', cell: pair => segmentLink(pair.a) },
      { title: 'And', cell: pair => segmentLink(pair.b) },
      { title: 'In both', number: true, cell: pair => number(pair.both) },
      { title: 'Only in the first', number: true, cell: pair => number(pair.onlyA) },
      { title: 'Only in the second', number: true, cell: pair => number(pair.onlyB) },
      { title: 'Alike', number: true, cell: pair => percent(pair.jaccard) },
    ], overlap.pairs)));
}

/** Which segments this one is compared with: each can be left out, and others taken in. */
function chooseOthers(page, chosen, others) {
  const keys = chosen.map(each => each.key);
  const rest = others.filter(each => !keys.includes(each.key)).toSorted((a, b) => a.name.localeCompare(b.name));
  const adding = choice(rest.map(each => [each.key, each.name]), '', { id: 'other' });
  const without = each => h('a', {
    class: 'off', id: `without-${each.key}`, 'aria-label': `Without ${each.name}`,
    href: page.address({ with: keys.filter(key => key !== each.key) }),
  }, '×');
  return [
    h('div', { class: 'row' }, h('span', { class: 'soft' }, 'Compared with'),
      h('ul', { class: 'chips' }, chosen.map(each => h('li', null, segmentLink(each), chosen.length > 1 && without(each))))),
    rest.length > 0 && chosen.length < MOST_OTHERS && h('div', { class: 'toolbar foot' },
      field('Another segment', adding),
      button('Add', () => page.change({ with: [...keys, adding.value] }), { id: 'add-other' }))];
}

/** The customers who are in both. */
const bothAddress = (one, other) => address('/customers', { segment: [one.key, other.key] });

// Why somebody is in it, or not

export async function showWhy(page, segment) {
  const search = customerFinder('Look somebody up', async customer => page.change({ customer: customer.externalId }));
  const externalId = page.query.get('customer');
  if (!externalId) return search;
  const { customer } = await ask(CUSTOMER, { externalId }, { signal: page.signal });
  if (!customer) return [notice('warning', `There is no customer with the id “${externalId}”.`), search];
  const { segmentExplain: why } = await ask(EXPLAIN, { segment: segment.id, customer: customer.id }, { signal: page.signal });
  return h('div', { class: 'stack' },
    panel(['Is ', customerLink(customer), ' in it?'], {},
      h('p', null, h('strong', null, why.isMember ? 'Yes. ' : 'No. '), verdict(segment, why)),
      segment.kind === 'AUTOMATIC' && clausesTable(why.clauses)),
    h('details', { id: 'somebody-else' }, h('summary', null, 'Look somebody else up'), search));
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
