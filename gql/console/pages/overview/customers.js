// The customers behind a mark of the overview: of a group, of a square of recency and frequency, or of a move from
// one group to another. The address names which; a drawer over the report lists them and leads back to the mark.

import { ask } from '../../api.js';
import { customerLink, h, link, name, notice, pageArguments, pager, table } from '../../elements.js';
import { day, dayOf, money, number } from '../../words.js';

const CUSTOMERS = /* GraphQL */ `
  query CustomersBehind($filter: CustomerFilter!, $first: Int, $after: String, $last: Int, $before: String) {
    customers(
      filter: $filter, sort: TOTAL_REVENUE, reverse: true, first: $first, after: $after, last: $last, before: $before
    ) {
      nodes { id externalId name metrics { orderCount totalRevenue lastPurchaseAt } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      totalCount
    }
  }
`;

const GROUP = /* GraphQL */ `
  query GroupBehind(
    $method: SegmentationMethod!, $scheme: RfmScheme!, $days: Int!, $asOf: Date, $storefrontId: ID,
    $segmentCode: String!
  ) {
    segmentationReport(
      method: $method, scheme: $scheme, days: $days, asOf: $asOf, storefrontId: $storefrontId, segmentCode: $segmentCode
    ) {
      segments { segmentName description recommendedActions }
    }
  }
`;

const MOVE = /* GraphQL */ `
  query MoveBehind(
    $method: SegmentationMethod!, $scheme: RfmScheme!, $dimension: String, $days: Int!, $storefrontId: ID,
    $from: Date!, $to: Date!, $fromCode: String, $toCode: String
  ) {
    segmentTransitions(
      method: $method, scheme: $scheme, days: $days, storefrontId: $storefrontId, from: $from, to: $to
    ) {
      cells(dimension: $dimension, fromCode: $fromCode, toCode: $toCode) { fromSegment toSegment fromRevenue toRevenue }
    }
  }
`;

/** What names a list in the address; without any of it there is none. */
export const NO_LIST = { group: '', cell: '', move: '', from: '', to: '', after: '', before: '' };

/** The mark from which the list was opened, to which the focus goes back. */
let opener = null;

/** The address of the page with the list of these values. */
export const listAddress = (page, values) => page.address({ ...NO_LIST, ...values });

/** The list that the address names, in a drawer; null where it names none. */
export async function loadList(page, window, moves) {
  const { group, cell, move, from, to } = Object.fromEntries(page.query);
  const { dimension, ...report } = window;
  let found;
  try {
    if (group) found = await findGroup(page, { ...report, segmentCode: group });
    else if (/^[1-5][1-5]$/.test(cell ?? '')) found = await findSquare(page, report, cell);
    else if (move) found = await findMove(page, move, { ...moves, fromCode: from ?? null, toCode: to ?? null });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    found = { title: 'These customers cannot be shown', content: notice('error', error.message) };
  }
  if (!found) {
    returnFocus();
    return null;
  }
  opener = `mark-${listAddress(page, { group, cell, move, from, to })}`;
  return openDrawer(page, found);
}

/** Whoever a filter lets through, the highest revenue first. */
async function findCustomers(page, filter) {
  return (await ask(CUSTOMERS, { filter, ...pageArguments(page) }, { signal: page.signal })).customers;
}

async function findGroup(page, report) {
  const [customers, { segmentationReport: { segments: [group] } }] = await Promise.all([
    findCustomers(page, { report }), ask(GROUP, report, { signal: page.signal }),
  ]);
  const named = report.method === 'RFM' && report.scheme === 'EIGHT_SEGMENT' && report.segmentCode !== 'OTHER';
  const rules = JSON.stringify({ '==': [{ var: 'rfm_segment_name' }, group.segmentName] });
  return {
    title: group.segmentName, lead: group.description, customers,
    content: [
      h('ul', null, group.recommendedActions.map(action => h('li', null, action))),
      named && offerSegment(page, { name: group.segmentName, rules }),
    ],
  };
}

async function findSquare(page, report, cell) {
  const [recency, frequency] = [...cell].map(Number);
  return {
    title: `Recency ${recency}, frequency ${frequency}`,
    customers: await findCustomers(page, { report: { ...report, recency, frequency } }),
    lead: '5 is the latest purchase and the most orders of the window, 1 the earliest and the fewest.',
    content: offerSegment(page, { minScore: `${cell}1`, maxScore: `${cell}5` }),
  };
}

async function findMove(page, dimension, { dimension: _, ...transition }) {
  const [customers, { segmentTransitions: { cells: [move] } }] = await Promise.all([
    findCustomers(page, { transition }), ask(MOVE, { ...transition, dimension }, { signal: page.signal }),
  ]);
  if (!move) return { title: 'Nobody went this way' };
  const { fromSegment, toSegment, fromRevenue, toRevenue } = move;
  return {
    title: `${fromSegment ?? 'Did not buy'} → ${toSegment ?? 'Did not buy'}`, customers,
    lead: `They spent ${money(fromRevenue)} in the window before and ${money(toRevenue)} in this one.`,
  };
}

function offerSegment(page, query) {
  return page.mayEdit && h('p', null, link('Make a segment of these', '/new-segment', query),
    h('small', { class: 'below' },
      'A segment follows the shop’s own window from today on, so it may hold others than this list.'));
}

function openDrawer(page, { title, lead, content, customers }) {
  const drawer = h('dialog', {
    class: 'drawer', 'aria-labelledby': 'list-title',
    onclose: () => page.change(NO_LIST),
    // What is beside the drawer is a part of the element, too.
    onclick: event => event.target === drawer && drawer.close(),
  }, h('div', { class: 'page' },
    h('div', { class: 'page-head' },
      h('h2', { id: 'list-title', tabindex: '-1', autofocus: true }, name(title)),
      h('button', { type: 'button', onclick: () => drawer.close() }, 'Close')),
    lead && h('p', { class: 'lead' }, lead),
    content,
    customers && [
      table(title, [
        { title: 'Customer', cell: customerLink },
        { title: 'Orders so far', number: true, cell: each => number(each.metrics.orderCount) },
        { title: 'Revenue so far', number: true, cell: each => money(each.metrics.totalRevenue) },
        { title: 'Last purchase', cell: ({ metrics: { lastPurchaseAt: last } }) => day(last && dayOf(last)) },
      ], customers.nodes, { empty: 'Nobody is here.' }),
      pager(page, customers, 'customers'),
    ]));
  requestAnimationFrame(() => drawer.isConnected && drawer.showModal());
  return drawer;
}

function returnFocus() {
  const id = opener;
  opener = null;
  if (id) requestAnimationFrame(() => document.getElementById(id)?.focus({ preventScroll: true }));
}
