// The list of segments: how large each is and how that moved, when it was calculated and when it will be next. Runs
// that go on are followed; what changes in the memberships meanwhile shows the list anew.

import { ask, change, Refused } from '../api.js';
import { spark } from '../charts.js';
import {
  button, choiceField, h, link, notice, pageArguments, pager, panel, progress, searchField, segmentLink, table, tag,
} from '../elements.js';
import { follow } from '../live.js';
import { address } from '../router.js';
import { addDays, ago, count, instant, number, percent, title, today } from '../words.js';

const SEGMENTS = /* GraphQL */ `
  query Segments($first: Int, $after: String, $last: Int, $before: String, $filter: SegmentFilter,
                 $sort: SegmentSort, $reverse: Boolean, $from: Date!, $to: Date!) {
    customers(first: 1) { totalCount }
    recalculations(first: 10) { nodes { id status segment { id } progress { done total fraction } } }
    segments(first: $first, after: $after, last: $last, before: $before, filter: $filter, sort: $sort,
             reverse: $reverse) {
      totalCount
      nodes {
        id key name description kind isRfm isDynamic memberCount createdAt lastCalculated nextRunAt
        latestRecalculation { id status createdAt progress { done total fraction } error { message } }
        sizeSeries(from: $from, to: $to) { date memberCount }
      }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
`;

const RECALCULATE_ALL = /* GraphQL */ `
  mutation RecalculateAll {
    recalculateSegments { recalculation { id } userErrors { message code } }
  }
`;

const CREATE_STANDARD = /* GraphQL */ `
  mutation CreateStandard($scheme: RfmScheme!) {
    createStandardSegments(scheme: $scheme) { segments { id } userErrors { message code } }
  }
`;

const ANY_CHANGES = /* GraphQL */ `
  subscription AnyChanges { membershipChanges { cursor changes { kind } } }
`;

const PROGRESS = /* GraphQL */ `
  subscription Progress($id: ID!) {
    recalculationProgress(id: $id) { id status progress { done total fraction } entered left error { message } }
  }
`;

const CANCEL = /* GraphQL */ `
  mutation Cancel($id: ID!) { cancelJob(id: $id) { job { id status } userErrors { message code } } }
`;

const KINDS = [['', 'Every kind'], ['AUTOMATIC', 'Automatic'], ['MANUAL', 'By hand'], ['RFM', 'By RFM scores']];
const ORDERS = { NAME: 'name', MEMBER_COUNT: 'members', LAST_CALCULATED: 'last calculation' };
const DAYS = 30;
const AT_ONCE = 50;
const SETTLE_MS = 1500;

export async function show(page) {
  const { segments, customers, recalculations } = await ask(SEGMENTS, variables(page), { signal: page.signal });
  const filtered = page.query.get('search') || page.query.get('kind');
  const allRunning = recalculations.nodes.find(run => isActive(run) && !run.segment);
  refreshOnChange(page);
  if (!segments.totalCount && !filtered) return page.view('Segments', {}, empty(page, customers.totalCount));
  const sentence = describe(page, segments.totalCount);
  if (filtered) page.say(sentence);
  return page.view('Segments', {
    lead: 'Named groups of your customers: those that a rule finds by itself, and those that are filled by hand.',
    actions: page.mayEdit && [
      !allRunning && button('Recalculate all', () => recalculateAll(page), { id: 'recalculate-all' }), newSegment()],
  },
  allRunning && runProgress(page, allRunning, {
    label: 'Recalculating every segment', cancel: true, done: () => page.reload(),
  }),
  h('div', { class: 'toolbar' }, searchField(page, 'Search by name or key'), choiceField(page, 'Kind', KINDS, 'kind')),
  h('p', { class: 'soft' }, sentence),
  table('Segments', columns(page, customers.totalCount, allRunning), segments.nodes, {
    page, sort: 'NAME', empty: 'No segment is called so or is of that kind.',
  }),
  pager(page, { pageInfo: segments.pageInfo }, 'segments'),
  !page.mayEdit && h('p', { class: 'soft' }, LOOK_ONLY));
}

const LOOK_ONLY = 'This token may look only: making and recalculating segments needs customers:edit.';

const newSegment = () => h('a', { class: 'button primary', href: address('/new-segment') }, 'New segment');

function variables(page) {
  const kind = page.query.get('kind');
  return {
    ...pageArguments(page, AT_ONCE),
    filter: { search: page.query.get('search'), ...(kind === 'RFM' ? { isRfm: true } : { kind }) },
    sort: page.query.get('sort') ?? 'NAME',
    reverse: page.query.get('reverse') === 'true',
    from: addDays(today(), 1 - DAYS),
    to: today(),
  };
}

/** What the table shows, as a sentence. */
function describe(page, total) {
  const [search, sort] = [page.query.get('search'), page.query.get('sort')];
  const kind = KINDS.find(([value]) => value && value === page.query.get('kind'));
  return [
    count(total, 'segment'), kind?.[1].toLowerCase(), search && `found by “${search}”`,
    `by ${ORDERS[sort] ?? ORDERS.NAME}`, page.query.get('reverse') === 'true' && 'from the end',
  ].filter(Boolean).join(', ') + '.';
}

function columns(page, customers, allRunning) {
  const byHand = each => each.kind === 'MANUAL';
  return [
    { title: 'Segment', sort: 'NAME', cell: each => [segmentLink(each),
      each.description && h('small', { class: 'below', dir: 'auto' }, each.description)] },
    { title: 'Kind', cell: kindTag },
    { title: 'Members', number: true, sort: 'MEMBER_COUNT', cell: each => [h('strong', null, number(each.memberCount)),
      customers > 0 && h('small', { class: 'below' }, percent(each.memberCount / customers))] },
    { title: `Last ${DAYS} days`, cell: each => trend(each.sizeSeries) },
    { title: 'Calculated', sort: 'LAST_CALCULATED', cell: each => (byHand(each) ? '–' : lastRun(page, each, allRunning)) },
    { title: 'Next', cell: each => (byHand(each) ? '–' : moment(each.nextRunAt, 'when asked')) },
  ];
}

export const kindTag = segment => tag(segment.kind === 'MANUAL' ? 'By hand' : segment.isRfm ? 'RFM' : 'Automatic');

/** An instant as how long ago it is; which one it is stands behind it. */
export const moment = (at, never = '–') =>
  (at ? h('time', { datetime: at, title: instant(at) }, ago(at)) : h('span', { class: 'soft' }, never));

function trend(points) {
  const sizes = points.map(point => point.memberCount);
  if (sizes.length < 2) return null;
  const [first, last] = [sizes[0], sizes.at(-1)];
  const sign = last > first ? '+' : last < first ? '−' : '±';
  return h('span', { class: 'moved' },
    spark(sizes, `From ${number(first)} to ${number(last)} in ${sizes.length} days`),
    h('span', { class: 'soft' }, `${sign}${number(Math.abs(last - first))}`));
}

function lastRun(page, segment, allRunning) {
  const run = segment.latestRecalculation;
  // While all are at work the one line above the table is followed, and not each.
  if (run && isActive(run)) {
    return allRunning ? tag(title(run.status))
      : runProgress(page, run, { label: `Recalculating ${segment.name}`, done: () => page.reload() });
  }
  return [moment(segment.lastCalculated, 'not yet'), run?.status === 'FAILED' && h('small', { class: 'below failed' },
    `The run of ${instant(run.createdAt)} failed: ${run.error?.message ?? 'no reason was kept.'}`)];
}

export const isActive = run => ['QUEUED', 'RUNNING'].includes(run.status);

/** How far a run is, followed until it ends, and where `cancel` is wanted a way to stop it. `done` gets the run. */
export function runProgress(page, run, { label, cancel = false, done }) {
  const bar = progress(label);
  const draw = ({ status, progress: { done: ready, total, fraction } }) => bar.show(total ? fraction : null,
    status === 'QUEUED' ? 'Waiting …' : total ? `${number(ready)} of ${number(total)}` : 'Working …');
  draw(run);
  const failed = h('span', { class: 'failed', role: 'alert' });
  follow(PROGRESS, { id: run.id }, ({ recalculationProgress: now }) => {
    draw(now);
    if (!isActive(now)) done(now);
  }, { signal: page.signal }).catch(error => failed.append(error.message));
  if (!cancel) return [bar, failed];
  return h('div', { class: 'notice info row' }, h('span', null, label), bar,
    page.mayEdit && button('Cancel', () => change(CANCEL, { id: run.id })), failed);
}

async function recalculateAll(page) {
  try {
    await change(RECALCULATE_ALL);
    page.say('Recalculation has begun.');
  } catch (error) {
    // Somebody else was quicker: the page shows how far that run is.
    if (!(error instanceof Refused) || error.code !== 'ALREADY_RUNNING') throw error;
  }
  await page.reload();
}

/** Show the list anew when members changed, a little later, so that many changes are one, and when the tab is seen again. */
function refreshOnChange(page) {
  let waiting = 0;
  const reload = () => { waiting ||= setTimeout(() => page.reload(), SETTLE_MS); };
  page.signal.addEventListener('abort', () => clearTimeout(waiting));
  document.addEventListener('visibilitychange', () => document.hidden || reload(), { signal: page.signal });
  follow(ANY_CHANGES, {}, ({ membershipChanges }) => membershipChanges.changes.length && reload(), { signal: page.signal })
    .catch(() => {});  // Without it the list is as of when it was asked for, as any page is.
}

function empty(page, customers) {
  const make = scheme => async () => {
    await change(CREATE_STANDARD, { scheme });
    await page.reload();
  };
  return panel('There are no segments yet', {},
    h('p', null, 'A segment is a named group of customers that others can use: the team, your shop’s newsletter, a report. '
      + 'A rule keeps it up to date by itself, or you choose the members by hand.'),
    !customers && notice('info', 'There are no customers either: ', link('import purchases', '/imports'),
      ' first, and segments fill by themselves.'),
    page.mayEdit
      ? h('div', { class: 'actions' }, newSegment(),
        button('One for each of the eight RFM groups', make('EIGHT_SEGMENT')),
        button('One for each of the eleven', make('ELEVEN_SEGMENT')))
      : h('p', { class: 'soft' }, LOOK_ONLY));
}
