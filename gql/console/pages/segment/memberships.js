// Who is in a segment and how that moved: three of the parts of its page. Lists stay as they were asked for while
// they are read; only the changes come by themselves, and wait while they are paused or have the focus.

import { ask, change } from '../../api.js';
import { columns, lines } from '../../charts.js';
import {
  button, choiceField, customerLink, dialog, field, fill, finder, h, name, pageArguments, pager, panel, searchField,
  table, tag,
} from '../../elements.js';
import { whoDid } from '../../explanation.js';
import { addDays, count, day, decimal, instant, money, number, title, today } from '../../words.js';
import { moment } from '../segments.js';

const MEMBERS = /* GraphQL */ `
  query Members($key: String!, $first: Int, $after: String, $last: Int, $before: String, $asOf: DateTime,
                $sort: MemberSort, $reverse: Boolean, $search: String) {
    segment(key: $key) {
      members(first: $first, after: $after, last: $last, before: $before, asOf: $asOf, sort: $sort,
              reverse: $reverse, search: $search) {
        totalCount
        edges {
          source assignedAt assignedBy
          node { id externalId name email metrics { orderCount totalRevenue lastPurchaseAt } }
        }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      }
    }
  }
`;

const HISTORY = /* GraphQL */ `
  query History($key: String!, $id: ID!, $from: Date!, $to: Date!, $interval: SeriesInterval!, $after: String) {
    segment(key: $key) {
      sizeSeries(from: $from, to: $to, interval: $interval) { date memberCount entered left }
    }
    recalculations(first: 10, after: $after, segmentId: $id) {
      nodes { id status createdAt startedAt finishedAt evaluated entered left error { message } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
`;

const CHANGES = /* GraphQL */ `
  query Changes($key: String!, $before: String) {
    segment(key: $key) {
      changes(last: 50, before: $before) {
        totalCount
        nodes { cursor kind source at by customer { id externalId name } }
        pageInfo { hasPreviousPage startCursor }
      }
    }
  }
`;

const FIND = /* GraphQL */ `
  query Find($search: String!) {
    customers(first: 8, filter: { search: $search }) { nodes { id externalId name email } }
  }
`;

const ASSIGN = /* GraphQL */ `
  mutation Assign($id: ID!, $customer: ID!) {
    assignSegment(segmentId: $id, customerIds: [$customer]) { assignedCount userErrors { message code } }
  }
`;

const REMOVE = /* GraphQL */ `
  mutation Remove($id: ID!, $customer: ID!) {
    removeSegment(segmentId: $id, customerIds: [$customer]) { removedCount userErrors { message code } }
  }
`;

const DAYS = [[30, '30 days'], [90, '90 days'], [365, 'A year'], [1095, 'Three years']];
const SHOWN_CHANGES = 200;
const SEARCHED = 'The beginning of a name, of a word of it, of an e-mail or of a customer id.';

// Members

/** The instant that the chosen day ends at, or nothing for now. */
export function asOf(page) {
  const chosen = page.query.get('day');
  return chosen && chosen < today() ? addDays(chosen, 1) : null;
}

export async function showMembers(page, segment) {
  const [search, at] = [page.query.get('search'), asOf(page)];
  const { segment: { members } } = await ask(MEMBERS, {
    key: segment.key, ...pageArguments(page), asOf: at, search,
    sort: page.query.get('sort') ?? 'NAME', reverse: page.query.get('reverse') === 'true',
  }, { signal: page.signal });
  const chosen = h('input', {
    type: 'date', id: 'day', max: today(), value: page.query.get('day') ?? '',
    onchange: () => page.change({ day: chosen.value, after: '', before: '' }),
  });
  const byHand = segment.kind === 'MANUAL' && page.mayEdit && !at;
  const sentence = count(members.totalCount, 'member')
    + (at ? ` at the end of ${day(page.query.get('day'))}` : '') + (search ? ` found by “${search}”` : '');
  if (search) page.say(`${sentence}.`);
  return h('div', { class: 'stack' },
    h('div', { class: 'toolbar' },
      searchField(page, 'Search members', 'search', SEARCHED),
      field('At the end of', chosen, 'Leave it empty for now.')),
    h('div', { class: 'row' }, h('p', { class: 'soft' }, `${sentence}.`),
      byHand && button('Add a member', () => addMember(page, segment), { id: 'add-member' })),
    table('Members', memberColumns(page, segment, byHand), members.edges, {
      page, sort: 'NAME', empty: search ? 'No member is found by that.' : at ? 'Nobody was in it then.' : 'Nobody is in it.',
    }),
    pager(page, members, 'members'));
}

function memberColumns(page, segment, byHand) {
  return [
    { title: 'Customer', sort: 'NAME', cell: ({ node }) => [customerLink(node), below(node.email && name(node.email))] },
    { title: 'Id', sort: 'EXTERNAL_ID', cell: ({ node }) => name(node.externalId) },
    { title: 'Orders', number: true, sort: 'ORDER_COUNT', cell: ({ node }) => number(node.metrics.orderCount) },
    { title: 'Revenue', number: true, sort: 'TOTAL_REVENUE', cell: ({ node }) => money(node.metrics.totalRevenue) },
    { title: 'Last purchase', sort: 'LAST_PURCHASE_AT', cell: ({ node }) => moment(node.metrics.lastPurchaseAt) },
    { title: 'In since', sort: 'ASSIGNED_AT', cell: ({ assignedAt, source, assignedBy }) =>
      [instant(assignedAt), below(whoDid(source, assignedBy))] },
    ...(byHand ? [{ title: 'Change', cell: ({ node }) => removeButton(page, segment, node) }] : []),
  ];
}

const below = content => content && h('small', { class: 'below' }, content);

function removeButton(page, segment, customer) {
  const called = customer.name || customer.externalId;
  return button('Remove', async () => {
    await change(REMOVE, { id: segment.id, customer: customer.id });
    page.say(`${called} was removed.`);
    await page.reload();
  }, { 'aria-label': `Remove ${called}` });
}

function addMember(page, segment) {
  return dialog(`Add a member to “${segment.name}”`, close => [
    customerFinder('Search a customer', async customer => {
      await change(ASSIGN, { id: segment.id, customer: customer.id });
      close();
      page.say(`${customer.name || customer.externalId} was added.`);
      await page.reload();
    }),
    h('div', { class: 'actions' }, button('Cancel', () => close()))]);
}

/** Search a customer while typing; `choose` gets the one whose button was pressed. */
export function customerFinder(label, choose) {
  return finder(label, {
    hint: SEARCHED,
    find: async (search, signal) => (await ask(FIND, { search }, { signal })).customers.nodes,
    show: customer => [name(customer.name || customer.externalId), ' ',
      h('small', null, [customer.name && customer.externalId, customer.email].filter(Boolean).join(', '))],
    choose,
  });
}

// Size over time

export async function showHistory(page, segment) {
  const days = Number(page.query.get('days') ?? 90);
  const interval = days <= 100 ? 'DAY' : days <= 400 ? 'WEEK' : 'MONTH';
  const { segment: { sizeSeries: points }, recalculations } = await ask(HISTORY, {
    key: segment.key, id: segment.id, from: addDays(today(), 1 - days), to: today(), interval,
    after: page.query.get('after'),
  }, { signal: page.signal });
  const labels = points.map(point => point.date);
  const sum = key => points.reduce((total, point) => total + point[key], 0);
  const [entered, left, last] = [sum('entered'), sum('left'), points.at(-1)?.memberCount ?? 0];
  return h('div', { class: 'stack' },
    h('div', { class: 'toolbar' }, choiceField(page, 'Window', DAYS, 'days', '90')),
    h('div', { class: 'panels' },
      h('div', { class: 'panel' }, lines({
        title: 'Members', unit: 'Members', labels,
        finding: `From ${number(last - entered + left)} to ${number(last)} in ${count(days, 'day')}, `
          + `at the end of each ${interval.toLowerCase()}.`,
        series: [{ name: 'Members', values: points.map(point => point.memberCount) }],
      })),
      h('div', { class: 'panel' }, columns({
        title: 'Entered and left', labels, finding: `${number(entered)} entered and ${number(left)} left.`,
        series: [
          { name: 'Entered', tone: 'good', values: points.map(point => point.entered) },
          { name: 'Left', tone: 'watch', values: points.map(point => -point.left) },
        ],
      }))),
    segment.kind === 'AUTOMATIC' && panel('Runs before', {},
      table('Runs', RUN_COLUMNS, recalculations.nodes, { empty: 'It was never calculated.' }),
      pager(page, recalculations, 'runs', { before: null })));
}

const RUN_TONES = { SUCCEEDED: 'good', FAILED: 'bad' };
const RUN_COLUMNS = [
  { title: 'Asked for', cell: run => instant(run.createdAt) },
  { title: 'State', cell: run => [tag(title(run.status), RUN_TONES[run.status]), below(run.error?.message)] },
  { title: 'Took', number: true, cell: took },
  { title: 'Customers looked at', number: true, cell: run => number(run.evaluated) },
  { title: 'Entered', number: true, cell: run => number(run.entered) },
  { title: 'Left', number: true, cell: run => number(run.left) },
];

function took({ startedAt, finishedAt }) {
  if (!startedAt || !finishedAt) return '–';
  const seconds = (Date.parse(finishedAt) - Date.parse(startedAt)) / 1000;
  return seconds < 0.1 ? '< 0.1 s' : `${decimal(seconds)} s`;
}

// Changes as they happen

export async function showChanges(page, segment, head) {
  const before = page.query.get('before');
  const { segment: { changes } } = await ask(CHANGES, { key: segment.key, before }, { signal: page.signal });
  const feed = showFeed(changes.nodes.toReversed());
  if (!before) head.onChanges = feed.add;
  return h('div', { class: 'stack' },
    h('div', { class: 'row' },
      h('p', { class: 'soft' }, `${count(changes.totalCount, 'change')}, newest first.`), !before && [feed.state, feed.pause]),
    feed.list,
    h('nav', { class: 'pager', 'aria-label': 'Pages of changes' },
      before && h('a', { id: 'newest', href: page.address({ before: '' }) }, 'Newest'),
      changes.pageInfo.hasPreviousPage
        && h('a', { id: 'older', href: page.address({ before: changes.pageInfo.startCursor }) }, 'Older')));
}

/** Changes, newest first, to which others are added; what is paused or read by keyboard is not moved meanwhile. */
function showFeed(rows) {
  let waiting = [];
  let paused = false;
  const list = h('div');
  const state = h('span', { class: 'soft', role: 'status' });
  const flush = () => {
    if (!paused && !list.contains(document.activeElement)) {
      rows = [...waiting, ...rows].slice(0, SHOWN_CHANGES);
      waiting = [];
      fill(list, table('Changes', CHANGE_COLUMNS, rows, { empty: 'Nobody entered or left yet.' }));
    }
    fill(state, waiting.length ? `${count(waiting.length, 'change')} more since.` : paused ? 'Paused.' : 'Shown as they happen.');
  };
  const pause = h('button', { type: 'button', id: 'pause', 'aria-pressed': 'false', onclick: () => {
    paused = !paused;
    pause.setAttribute('aria-pressed', String(paused));
    flush();
  } }, 'Pause');
  const add = arrived => {
    const known = new Set([...waiting, ...rows].map(each => each.cursor));
    waiting = [...arrived.filter(each => !known.has(each.cursor)).toReversed(), ...waiting];
    flush();
  };
  // Where the focus goes is known after this event only.
  list.addEventListener('focusout', () => setTimeout(() => waiting.length && flush()));
  flush();
  return { list, state, pause, add };
}

const CHANGE_COLUMNS = [
  { title: 'Customer', cell: each => customerLink(each.customer) },
  { title: 'What', cell: each => (each.kind === 'ENTERED' ? tag('Entered', 'good') : tag('Left', 'watch')) },
  { title: 'When', cell: each => [moment(each.at), below(instant(each.at))] },
  { title: 'Why', cell: each => whoDid(each.source, each.by) },
];
