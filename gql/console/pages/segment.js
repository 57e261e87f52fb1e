// One segment: who is in it and why, how it moved, and what can be done with it. Its figures are looked at every few
// seconds and after every change of its members; the lists stay as they were asked for until somebody wants them anew.

import { ask, change, Refused } from '../api.js';
import {
  button, choice, confirm, dialog, download, field, figure, figures, fill, h, later, name, notice, panel, tabs,
} from '../elements.js';
import { follow } from '../live.js';
import { address } from '../router.js';
import {
  ago, count, currency, day, decimal, instant, money, number, percent, shortMoney, title, today,
} from '../words.js';
import { showOverlap, showSnapshots, showWhy } from './segment/comparisons.js';
import { asOf, showChanges, showHistory, showMembers } from './segment/memberships.js';
import { isActive, kindTag, moment, runProgress } from './segments.js';

const SEGMENT = /* GraphQL */ `
  query Segment($key: String!) {
    customers(first: 1) { totalCount }
    segment(key: $key) {
      id key name description kind isDynamic isRfm sentence rules schedule version createdAt createdBy updatedAt
      criteria {
        minLifetimeValue maxLifetimeValue minOrders maxOrders minDaysSinceLastPurchase maxDaysSinceLastPurchase
        minPurchaseFrequency maxPurchaseFrequency minTenureDays maxTenureDays loyaltyLevels
      }
      rfmConfig { minScore maxScore }
      memberCount lastCalculated nextRunAt
      metrics { totalRevenue averageOrderValue averageDaysSinceLastPurchase inactiveMembers }
      latestRecalculation { id status progress { done total fraction } createdAt entered left error { message } }
      changes(last: 1) { nodes { cursor } }
    }
  }
`;

const NOW = /* GraphQL */ `
  query SegmentNow($key: String!) {
    segment(key: $key) { version memberCount lastCalculated latestRecalculation { id status } }
  }
`;

const NEW_CHANGES = /* GraphQL */ `
  subscription NewChanges($id: ID!, $after: String) {
    membershipChanges(segmentId: $id, after: $after) {
      cursor
      changes { cursor kind source at by customer { id externalId name } }
    }
  }
`;

const RECALCULATE = /* GraphQL */ `
  mutation Recalculate($id: ID!) {
    recalculateSegment(segmentId: $id) { recalculation { id } userErrors { message code } }
  }
`;

const DUPLICATE = /* GraphQL */ `
  mutation Duplicate($id: ID!, $name: String!) {
    duplicateSegment(id: $id, name: $name) { segment { key } userErrors { message code } }
  }
`;

const FREEZE = /* GraphQL */ `
  mutation Freeze($id: ID!, $name: String!, $asOf: DateTime) {
    freezeSegment(id: $id, name: $name, asOf: $asOf) { segment { key } userErrors { message code } }
  }
`;

const DELETE = /* GraphQL */ `
  mutation Delete($id: ID!) { deleteSegment(id: $id) { deletedSegmentId userErrors { message code } } }
`;

const ATTRIBUTES = /* GraphQL */ `
  query Attributes { ruleVariables { name } }
`;

const EXPORT = /* GraphQL */ `
  mutation ExportMembers($id: ID!, $format: MembersFormat!, $columns: [String!]) {
    exportSegmentMembers(segmentId: $id, format: $format, columns: $columns) { path userErrors { message code } }
  }
`;

const TABS = {
  members: ['Members', showMembers],
  history: ['Size over time', showHistory],
  changes: ['Changes', showChanges],
  snapshots: ['Snapshots', showSnapshots],
  overlap: ['Overlap', showOverlap],
  why: ['Why in or out', showWhy],
};
const LOOK_EVERY_MS = 5000;
const FORMATS = [['XLSX', 'Excel (XLSX)'], ['CSV', 'CSV'], ['JSON', 'JSON']];
const USUAL_COLUMNS = [
  'customer_id', 'name', 'email', 'loyalty_level', 'segment', 'assigned_at', 'source', 'order_count', 'total_revenue',
  'last_purchase_at', 'rfm_segment',
];
const MORE_COLUMNS = ['phone', 'country', 'city'];

/** Runs that were asked for in this tab: how they ended is told where the page would only show new members. */
const startedHere = new Set();

export async function show(page) {
  const { segment, customers } = await ask(SEGMENT, page.params, { signal: page.signal });
  const up = ['/segments', 'Segments'];
  if (!segment) {
    return page.view('There is no such segment', { up },
      h('p', null, 'It may have been deleted; who was in it stays in the history of the customers.'));
  }
  const [newer, head] = [h('div'), { run: h('div'), figures: h('div'), facts: h('div') }];
  draw(page, segment, customers.totalCount, head);
  const [, showTab] = TABS[page.query.get('tab')] ?? TABS.members;
  const part = later(page, () => showTab(page, segment, head));
  stayRight(page, segment, head, newer);
  await part.done;
  return page.view(segment.name, { lead: segment.description, up, actions: actions(page, segment) },
    head.run, head.figures,
    h('div', { class: 'panels' }, definition(page, segment), panel('Facts', {}, head.facts)),
    tabs(page, 'Parts of the segment', Object.entries(TABS).map(([key, [text]]) => [key, text]), 'tab'),
    newer, part);
}

function actions(page, segment) {
  return [
    page.mayEdit && segment.kind === 'AUTOMATIC'
      && button('Recalculate', () => recalculate(page, segment), { kind: 'primary', id: 'recalculate' }),
    page.mayEdit && h('a', { class: 'button', href: address(`${page.path}/edit`) }, 'Edit'),
    button('Export members', () => exportMembers(segment), { id: 'export' })];
}

async function recalculate(page, segment) {
  try {
    startedHere.add((await change(RECALCULATE, { id: segment.id })).recalculation.id);
  } catch (error) {
    // The run that goes on already is shown instead.
    if (!(error instanceof Refused) || error.code !== 'ALREADY_RUNNING') throw error;
  }
  page.say('Recalculation has begun.');
  await page.reload();
}

/** What changes by itself is drawn anew in its places, in which nobody types. */
function draw(page, segment, customers, head) {
  const { latestRecalculation: run, metrics, memberCount: members } = segment;
  const active = run && isActive(run);
  if (!active) fill(head.run, run && lastRun(run));
  else if (head.followed !== run.id) {
    const done = ended => tellEnd(page, head, ended);
    fill(head.run, runProgress(page, run, { label: 'Recalculating', cancel: true, done }));
  }
  head.followed = active ? run.id : null;
  fill(head.figures, figures(
    figure('Members', number(members),
      customers > 0 && h('small', null, `${percent(members / customers)} of ${count(customers, 'customer')}`)),
    figure('Revenue from them', `${shortMoney(metrics.totalRevenue)} ${currency()}`,
      h('small', null, money(metrics.totalRevenue))),
    figure('Average order', money(metrics.averageOrderValue)),
    figure('Days since the last purchase', decimal(metrics.averageDaysSinceLastPurchase),
      h('small', null, `on average; ${count(metrics.inactiveMembers, 'inactive member')}`))));
  fill(head.facts, facts(describe(segment)));
}

function describe(segment) {
  const { key, kind, isDynamic, schedule, lastCalculated, nextRunAt, latestRecalculation: run } = segment;
  const when = (at, never) => (at ? [moment(at), ` · ${instant(at)}`] : never);
  const ruled = kind === 'AUTOMATIC';
  return [
    ['Key', h('code', null, key)],
    ['Kind', [kindTag(segment), ' ', !ruled ? 'members are put in by hand or by imports'
      : isDynamic ? 'follows purchases and the calendar by itself' : 'changes only when it is recalculated']],
    ruled && ['Calculated', when(lastCalculated, 'not yet')],
    ruled && ['Last run', run ? `${title(run.status)}, ${ago(run.createdAt)}${outcome(run)}` : 'none'],
    ruled && ['Next run', when(nextRunAt, 'when it is asked for')],
    schedule && ['Schedule', [h('code', null, schedule), ' (minute, hour, day, month, weekday)']],
    ['Made', [instant(segment.createdAt), segment.createdBy && [' by ', name(segment.createdBy)]]],
    ['Version', `${number(segment.version)}, changed ${instant(segment.updatedAt)}`],
  ];
}

const facts = pairs => h('dl', { class: 'facts' },
  pairs.filter(Boolean).map(([term, value]) => [h('dt', null, term), h('dd', null, value)]));

const outcome = run => (run.status === 'SUCCEEDED' ? `: ${number(run.entered)} entered, ${number(run.left)} left` : '');

/** How the last run ended: where it failed, and where it was asked for in this tab. */
function lastRun(run) {
  if (run.status === 'FAILED') {
    return notice('error', `The last run failed: ${run.error?.message ?? 'no reason was kept.'} The members are as before.`);
  }
  if (!startedHere.has(run.id)) return null;
  return run.status === 'SUCCEEDED'
    ? notice('done', `Recalculated ${ago(run.createdAt)}${outcome(run)}.`)
    : notice('warning', 'The run was cancelled; the members are as before.');
}

function tellEnd(page, head, run) {
  page.say(`The run has ended: ${title(run.status)}${outcome(run)}.`);
  // Whoever asked for it wants to see the members; others are told that there are newer ones.
  if (startedHere.has(run.id)) page.reload();
  else head.look();
}

/** Follow the changes of members, and look now and then at the rest: what others do is seen here, too. */
function stayRight(page, segment, head, newer) {
  let [shown, latest] = [fingerprint(segment), segment.changes.nodes[0]?.cursor];
  const moved = { ENTERED: 0, LEFT: 0 };
  head.look = async () => {
    const { segment: now } = await ask(NOW, page.params, { signal: page.signal });
    if (now?.version !== segment.version) {
      page.say('This segment was changed by somebody; the page shows it as it is now.');
      page.reload();
    } else if (fingerprint(now) !== shown) {
      shown = fingerprint(now);
      const data = await ask(SEGMENT, page.params, { signal: page.signal });
      if (data.segment) draw(page, data.segment, data.customers.totalCount, head);
    }
  };
  // What fails is tried again with the next look; that the server does not answer is said above the page.
  const look = () => document.hidden || head.look().catch(() => {});
  const timer = setInterval(look, LOOK_EVERY_MS);
  page.signal.addEventListener('abort', () => clearInterval(timer));
  document.addEventListener('visibilitychange', look, { signal: page.signal });
  const tell = () => fill(newer, notice('info',
    `${number(moved.ENTERED)} entered and ${number(moved.LEFT)} left since this was shown. `,
    button('Show', () => page.reload(), { id: 'newer' })));
  follow(NEW_CHANGES, () => ({ id: segment.id, after: latest }), ({ membershipChanges: { cursor, changes } }) => {
    latest = cursor;
    if (!changes.length) return;
    for (const each of changes) moved[each.kind] += 1;
    if (head.onChanges) head.onChanges(changes);
    else tell();
    look();
  }, { signal: page.signal }).catch(() => {});
}

const fingerprint = ({ memberCount, lastCalculated, latestRecalculation: run }) =>
  [memberCount, lastCalculated, run?.id, run?.status].join();

// The definition, and what is done with the whole segment

function definition(page, segment) {
  const { sentence, rules, criteria, rfmConfig } = segment;
  const bounds = Object.entries(criteria ?? {}).filter(([, value]) => value !== null);
  return panel('Who is in it', {},
    h('p', { class: 'sentence', dir: 'auto' }, sentence
      ? `A customer is in it when ${sentence}.` : 'Whoever was put in by hand, or by an import of members.'),
    rfmConfig && scoreBox(rfmConfig),
    bounds.length > 0 && h('details', { id: 'criteria' }, h('summary', null, 'As criteria'),
      facts(bounds.map(([key, value]) => [criterion(key), [value].flat().join(', ')]))),
    rules && h('details', { id: 'rules' }, h('summary', null, 'As rules (JSONLogic)'),
      h('pre', { tabindex: '0', role: 'region', 'aria-label': 'Rules' }, JSON.stringify(rules, null, 2))),
    page.mayEdit
      ? h('div', { class: 'actions' },
        button('Duplicate', () => duplicate(page, segment), { id: 'duplicate' }),
        button('Freeze', () => freeze(page, segment), { id: 'freeze' }),
        button('Delete', () => remove(page, segment), { kind: 'danger', id: 'delete' }))
      : h('p', { class: 'soft' }, 'This token may look only: changing, recalculating and deleting need customers:edit.'));
}

/** "minDaysSinceLastPurchase" as "Days since last purchase, at least". */
function criterion(key) {
  const words = key.replaceAll(/[A-Z]/g, letter => ` ${letter.toLowerCase()}`).split(' ');
  const bound = { min: ', at least', max: ', at most' }[words[0]];
  return title((bound ? words.slice(1) : words).join(' ')) + (bound ?? '');
}

/** The box of scores, a line a digit: how recent, how often, how much. */
function scoreBox({ minScore, maxScore }) {
  return facts(['Recency', 'Frequency', 'Money'].map((digit, place) => {
    const [least, most] = [Number(minScore[place]), Number(maxScore[place])];
    const squares = [1, 2, 3, 4, 5].map(score => (score >= least && score <= most ? '■' : '□'));
    return [digit, [h('span', { class: 'squares', 'aria-hidden': 'true' }, squares),
      ` ${least === most ? least : `${least} to ${most}`} of 5`]];
  }));
}

const duplicate = (page, segment) => copy(page, DUPLICATE, { id: segment.id }, {
  heading: 'Duplicate the segment', proposed: `${segment.name} (copy)`,
  hint: 'A segment with the same definition under another name.',
});

function freeze(page, segment) {
  const at = asOf(page);
  return copy(page, FREEZE, { id: segment.id, asOf: at }, {
    heading: 'Freeze the members', proposed: `${segment.name}, ${day(at ? page.query.get('day') : today())}`,
    hint: `A segment by hand of exactly the members ${at ? `at the end of ${day(page.query.get('day'))}` : 'of now'}, `
      + 'which no rule changes any more.',
  });
}

function copy(page, document, variables, { heading, proposed, hint }) {
  return dialog(heading, close => {
    const called = field('Name of the new segment', h('input', { value: proposed, required: true, dir: 'auto' }), hint);
    const create = button('Create', async () => {
      const { segment } = await change(document, { ...variables, name: called.control.value });
      close();
      page.go(`/segments/${encodeURIComponent(segment.key)}`);
    }, { kind: 'primary' });
    return form(create, close, called);
  });
}

/** Fields with a button that Enter presses, too, and one that leaves. */
function form(submit, close, ...fields) {
  return h('form', { class: 'stack', onsubmit: event => { event.preventDefault(); submit.firstChild.click(); } },
    fields, h('div', { class: 'actions' }, submit, button('Cancel', () => close())));
}

async function remove(page, segment) {
  const deleted = await confirm(`Delete “${segment.name}”?`, [
    `Its ${count(segment.memberCount, 'membership')} end now; the customers stay, and so does the history of who was in it.`,
    'Segments whose rules refer to it keep it from being deleted, and are named then. This cannot be taken back.',
  ], 'Delete', () => change(DELETE, { id: segment.id }));
  if (deleted) page.go('/segments');
}

async function exportMembers(segment) {
  const { ruleVariables } = await ask(ATTRIBUTES);
  const attributes = ruleVariables.map(each => each.name).filter(each => each.startsWith('attributes.'));
  return dialog('Export members', close => {
    const format = field('As', choice(FORMATS, 'XLSX'));
    const boxes = [...USUAL_COLUMNS, ...MORE_COLUMNS, ...attributes].map(column =>
      h('input', { type: 'checkbox', value: column, checked: USUAL_COLUMNS.includes(column) }));
    const make = button('Download', async () => {
      const columns = boxes.filter(box => box.checked).map(box => box.value);
      if (!columns.length) throw new Error('Choose one column at least.');
      const { path } = await change(EXPORT, { id: segment.id, format: format.control.value, columns });
      download(path);
      close();
    }, { kind: 'primary' });
    return form(make, close, format,
      h('fieldset', { class: 'boxes' }, h('legend', null, 'Columns'), boxes.map(box => h('label', null, box, ` ${box.value}`))),
      h('p', { class: 'soft' }, `${count(segment.memberCount, 'member')}, as of the moment of the download.`));
  });
}
