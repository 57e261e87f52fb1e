// The audit log: who did what and how it ended, newest first, also of one thing alone; old and new values side by side.

import { ask } from '../../api.js';
import { choiceField, customerLink, h, link, name, notice, pager, panel, segmentLink, table, tag } from '../../elements.js';
import { instant, title } from '../../words.js';

const AUDIT = /* GraphQL */ `
  query Audit($first: Int, $after: String, $subjectId: ID, $by: String, $action: String, $outcome: String) {
    auditEvents(first: $first, after: $after, subjectId: $subjectId, by: $by, action: $action, outcome: $outcome) {
      totalCount
      nodes { id at actor action outcome requestId subjectId detail }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
`;

const SUBJECTS = /* GraphQL */ `
  query AuditSubjects($ids: [ID!]!) {
    nodes(ids: $ids) {
      __typename
      id
      ... on Segment { key name }
      ... on Customer { externalId customerName: name }
      ... on Storefront { storefrontKey: key }
      ... on PurchaseImport { source }
      ... on Recalculation { segment { key name } }
    }
  }
`;

const SIZE = 50;
const DIGEST = /^[0-9a-f]{64}$/;
const OUTCOMES = [['', 'Any'], ['DONE', 'Done'], ['REFUSED', 'Refused'], ['DENIED', 'Denied'], ['FAILED', 'Failed'], ['CANCELLED', 'Cancelled']];
const TONES = { DONE: 'good', REFUSED: 'watch', DENIED: 'bad', FAILED: 'bad', CANCELLED: 'watch' };

export async function show(page) {
  if (!page.mayEdit) return notice('info', 'The audit log is for those who may change things: this token lacks the permission customers:edit.');
  const subjectId = page.query.get('about');
  const [by, action] = [page.query.get('by'), page.query.get('action')];
  const { auditEvents } = await ask(AUDIT, {
    first: SIZE, after: page.query.get('after'), subjectId, by, action, outcome: page.query.get('outcome'),
  }, { signal: page.signal });
  const subjects = await findSubjects(auditEvents.nodes, page.signal);
  return panel('What was done', {},
    choiceField(page, 'How it ended', OUTCOMES, 'outcome'),
    (subjectId || by || action) && h('p', { class: 'row' },
      subjectId && h('span', null, 'Only what was about ', drawSubject(subjects.get(subjectId)), '.'),
      by && h('span', null, 'Only what ', name(by), ' did.'),
      action && h('span', null, `Only “${spell(action)}”.`),
      h('a', { id: 'all-events', href: page.address({ about: '', by: '', action: '', after: '' }) }, 'Show everything')),
    h('div', { class: 'audit' }, table('Audit log', [
      { title: 'When', cell: event => h('time', { datetime: event.at }, instant(event.at)) },
      { title: 'Who', cell: event => h('a', { href: page.address({ by: event.actor, after: '' }) }, name(event.actor)) },
      { title: 'What', cell: event => [h('a', { href: page.address({ action: event.action, after: '' }) }, spell(event.action)), ' ', event.outcome !== 'DONE' && tag(title(event.outcome), TONES[event.outcome])] },
      { title: 'About', cell: event => event.subjectId && h('span', { class: 'row' }, drawSubject(subjects.get(event.subjectId)),
        !subjectId && h('a', { class: 'soft', href: page.address({ about: event.subjectId, after: null }) },
          'history', h('span', { class: 'unseen' }, ` of ${sayName(subjects.get(event.subjectId))}`))) },
      { title: 'Detail', cell: event => drawDetail(event) },
    ], auditEvents.nodes, { cards: true, empty: 'Nothing of that kind was done yet.' })),
    pager(page, auditEvents, auditEvents.totalCount === 1 ? 'event' : 'events', { before: null }));
}

/** What the events are about, by id; what is gone is not among them. */
async function findSubjects(events, signal) {
  const ids = [...new Set(events.map(event => event.subjectId).filter(Boolean))];
  if (!ids.length) return new Map();
  const { nodes } = await ask(SUBJECTS, { ids }, { signal });
  return new Map(nodes.filter(Boolean).map(node => [node.id, node]));
}

/** "recalculateSegment" as "Recalculate segment". */
const spell = text => title(text.replace(/[A-Z]+/g, letters => ` ${letters}`).trim());

const sayName = node => node?.name ?? node?.customerName ?? node?.externalId ?? node?.storefrontKey ?? node?.source ?? 'something that is gone';

function drawSubject(node) {
  switch (node?.__typename) {
    case 'Segment': return segmentLink(node);
    case 'Customer': return customerLink({ ...node, name: node.customerName });
    case 'Storefront': return h('span', null, 'storefront ', name(node.storefrontKey));
    case 'PurchaseImport': return link(['import of ', name(node.source)], `/imports/${node.id}`);
    case 'Recalculation': return h('span', null, 'run of ', node.segment ? segmentLink(node.segment) : 'all segments');
    default: return h('span', { class: 'soft' }, 'something that is gone');
  }
}

/** Fields with old and new value as such, the rest as it is; long ones behind a summary. */
function drawDetail({ id, detail, requestId }) {
  const facts = [...flatten(detail ?? {}), ...(requestId ? [['Request', requestId]] : [])];
  if (!facts.length) return null;
  return h('details', { id: `detail-${id}` },
    h('summary', null, summarize(detail) || 'Show'),
    h('dl', { class: 'facts' }, facts.map(([key, value]) => [h('dt', null, key), h('dd', null, value)])));
}

/** The few words that say most of it: which fields were changed, else the first numbers and names. */
function summarize(detail) {
  const changes = detail?.changes ?? detail?.changed;
  if (changes) return Object.keys(changes).map(spell).join(', ');
  const facts = Object.entries(detail ?? {}).filter(([, value]) => value !== null && value !== 0 && typeof value !== 'object' && !DIGEST.test(value));
  return facts.slice(0, 3).map(([key, value]) => `${spell(key)} ${value}`).join(', ').slice(0, 80);
}

/** The leaves of the detail with their paths in words; what has an old and a new value is one. */
function flatten(detail, path = '') {
  return Object.entries(detail).flatMap(([key, value]) => {
    const where = path ? `${path} · ${spell(key)}` : spell(key);
    if (value === null || typeof value !== 'object') return [[where, say(value)]];
    if (Array.isArray(value)) return [[where, value.map(say).join(', ') || 'none']];
    if ('old' in value && 'new' in value) return [[where, [h('s', null, say(value.old)), ' → ', h('strong', null, say(value.new))]]];
    return flatten(value, where);
  });
}

function say(value) {
  if (value === null) return 'none';
  if (typeof value === 'object') return JSON.stringify(value);
  return DIGEST.test(value) ? `${value.slice(0, 12)}…` : String(value);
}
