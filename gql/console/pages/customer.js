// A customer: who it is, what it bought, where it stands among the shop's customers, in which segments and why, and all
// that happened, newest first. What cannot be taken back is told before it is done, and is confirmed by typing.

import { ask, change } from '../api.js';
import {
  button, confirm, customerAddress, dialog, field, figure, figures, fill, finder, h, later, link, name, notice, panel,
  segmentLink, table, tabs, tag,
} from '../elements.js';
import { clausesTable, whoDid } from '../explanation.js';
import { go } from '../router.js';
import { count, day, dayOf, decimal, instant, money, number, shortMoney, title } from '../words.js';

const CUSTOMER = /* GraphQL */ `
  query Customer($id: ID, $externalId: String, $size: Int!) {
    customer(id: $id, externalId: $externalId) {
      id externalId name email phone country city loyaltyLevel registeredAt erased attributes
      metrics {
        orderCount totalRevenue averageOrderValue firstPurchaseAt lastPurchaseAt
        daysSinceLastPurchase tenureDays purchaseFrequency
      }
      classification { frequency spending category labels { dimension label } }
      rfm { score segmentName recency frequency monetary scale { metric score from to sentence } }
      segments { source assignedAt assignedBy segment { id key name kind sentence } }
      purchases(first: $size) {
        totalCount
        nodes {
          externalId purchasedAt status amount channel attributes storefront { name }
          lines { category product sku quantity amount status }
        }
        pageInfo { hasNextPage endCursor }
      }
      membershipHistory(last: $size) {
        totalCount
        nodes { kind source at by segment { key name } customer { externalId } }
        pageInfo { hasPreviousPage startCursor }
      }
    }
  }
`;

const EARLIER = /* GraphQL */ `
  query EarlierInTimeline($id: ID!, $size: Int!, $after: String, $before: String, $purchases: Boolean!, $changes: Boolean!) {
    customer(id: $id) {
      purchases(first: $size, after: $after) @include(if: $purchases) {
        nodes {
          externalId purchasedAt status amount channel attributes storefront { name }
          lines { category product sku quantity amount status }
        }
        pageInfo { hasNextPage endCursor }
      }
      membershipHistory(last: $size, before: $before) @include(if: $changes) {
        nodes { kind source at by segment { key name } customer { externalId } }
        pageInfo { hasPreviousPage startCursor }
      }
    }
  }
`;

const MATCHING = /* GraphQL */ `
  query MatchingSegments($id: ID!) { customer(id: $id) { matchingSegments { id key name sentence } } }
`;

const WHY = /* GraphQL */ `
  query WhyInSegment($segmentId: ID!, $customerId: ID!) {
    segmentExplain(segmentId: $segmentId, customerId: $customerId) {
      clauses { text variable actual verdict }
    }
  }
`;

const FIND_SEGMENTS = /* GraphQL */ `
  query FindManualSegments($search: String!) {
    segments(first: 8, filter: { kind: MANUAL, search: $search }) { nodes { id name memberCount } }
  }
`;

const FIND_CUSTOMERS = /* GraphQL */ `
  query FindOtherCustomer($search: String!) {
    customers(first: 8, filter: { search: $search }) { nodes { id externalId name email } }
  }
`;

const ASSIGN = /* GraphQL */ `
  mutation PutIntoSegment($segmentId: ID!, $customerIds: [ID!]!) {
    assignSegment(segmentId: $segmentId, customerIds: $customerIds) { userErrors { field message code } }
  }
`;

const REMOVE = /* GraphQL */ `
  mutation TakeOutOfSegment($segmentId: ID!, $customerIds: [ID!]!) {
    removeSegment(segmentId: $segmentId, customerIds: $customerIds) { userErrors { field message code } }
  }
`;

const RECALCULATE = /* GraphQL */ `
  mutation RecalculateCustomer($customerId: ID!) {
    recalculateCustomer(customerId: $customerId) { entered { name } left { name } userErrors { field message code } }
  }
`;

const MERGE = /* GraphQL */ `
  mutation MergeCustomers($fromId: ID!, $intoId: ID!) {
    mergeCustomers(fromId: $fromId, intoId: $intoId) { customer { id externalId } userErrors { field message code } }
  }
`;

const ERASE = /* GraphQL */ `
  mutation EraseCustomer($customerId: ID!) {
    eraseCustomer(customerId: $customerId) { erasedCustomerId userErrors { field message code } }
  }
`;

const PAGE = 25;
const YEAR = 365;

export async function show(page) {
  const asked = page.query.has('id') ? { id: page.query.get('id') } : { externalId: page.params.externalId };
  const { customer } = await ask(CUSTOMER, { ...asked, size: PAGE }, { signal: page.signal });
  if (!customer) return nobody(page);
  const { metrics, rfm, erased } = customer;
  const otherName = asked.externalId && asked.externalId !== customer.externalId && !erased;
  return page.view(customer.name || (erased ? 'Erased customer' : customer.externalId), {
    up: ['/customers', 'Customers'],
    lead: erased ? 'Name, e-mail and customer id are gone for good; what was bought stays.' : describe(customer),
    actions: page.mayEdit ? !erased && whatCanBeDone(page, customer) : h('p', { class: 'soft' },
      'This token may look and not change: it lacks the permission customers:edit.'),
  },
  otherName && notice('info', name(asked.externalId), ' was merged into this customer, and is another id of the same person.'),
  figures(
    figure('Revenue', money(metrics.totalRevenue),
      count(metrics.orderCount, 'order'), metrics.orderCount > 0 && `, ${money(metrics.averageOrderValue)} on average`),
    figure('Last purchase', metrics.lastPurchaseAt ? day(dayOf(metrics.lastPurchaseAt)) : 'none yet',
      metrics.lastPurchaseAt && daysAgo(metrics.daysSinceLastPurchase)),
    figure('How often', `${decimal(metrics.purchaseFrequency)} in 30 days`,
      metrics.firstPurchaseAt && `since ${day(dayOf(metrics.firstPurchaseAt))}`),
    figure('RFM', rfm ? rfm.score : '–', rfm ? alike(rfm.segmentName) : 'no purchase to score')),
  h('div', { class: 'panels' },
    profile(customer),
    standing(page, customer),
    segments(page, customer),
    timeline(page, customer)));
}

function nobody(page) {
  const wanted = page.query.get('id') ?? page.params.externalId;
  return page.view('There is no such customer', { up: ['/customers', 'Customers'] },
    h('p', null, 'No customer of this shop has the id ', name(wanted), '. Whoever was erased is not found by the old id any more.'),
    h('p', null, link('Search for it', '/customers', { search: wanted })));
}

function describe({ externalId, metrics }) {
  const since = metrics.tenureDays !== null && `, known for ${count(metrics.tenureDays, 'day')}`;
  return ['Customer ', name(externalId), since];
}

/** The name of a group, which leads to all who are in it. */
const alike = group => link(group, '/customers', { rules: JSON.stringify({ '==': [{ var: 'rfm_segment_name' }, group] }) });
const daysAgo = days => (days === 0 ? 'today' : `${count(days, 'day')} ago`);
const facts = (...pairs) => h('dl', { class: 'facts' }, pairs.map(([term, value]) => [h('dt', null, term), h('dd', null, value)]));

function profile(customer) {
  const text = value => (value === null ? h('span', { class: 'soft' }, '–') : name(value));
  const further = Object.entries(customer.attributes).map(([key, value]) => [name(key), attribute(value)]);
  return panel('Profile', {}, facts(
    ['Customer id', customer.erased ? tag('erased', 'bad') : name(customer.externalId)],
    ['Name', text(customer.name)], ['E-mail', text(customer.email)], ['Phone', text(customer.phone)],
    ['City', text(customer.city)], ['Country', text(customer.country)], ['Loyalty level', text(customer.loyaltyLevel)],
    ['Registered', instant(customer.registeredAt)], ...further));
}

function attribute(value) {
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') return number(value);
  return /^\d{4}-\d\d-\d\dT/.test(value) ? instant(value) : name(value);
}

/** Labels, and the three scores against what the shop's customers have; each leads to those who are alike. */
function standing(page, { classification, rfm }) {
  const { frequency, spending, category, labels } = classification;
  const known = [['Frequency', 'frequency', frequency], ['Spending', 'spending', spending], ['Category', 'category', category]]
    .filter(([, , label]) => label).map(([term, key, label]) => [term, link(label, '/customers', { [key]: label })]);
  const days = page.viewer.business.settings.rfm_days ?? YEAR;
  return panel('Labels and RFM', {},
    known.length || labels.length
      ? facts(...known, ...labels.map(({ dimension, label }) => [title(dimension), name(label)]))
      : h('p', { class: 'empty' }, 'Labels and scores come with the first purchase that counts.'),
    rfm && [
      scale('Recency', 'RECENCY', rfm.recency, rfm.scale),
      scale('Frequency', 'FREQUENCY', rfm.frequency, rfm.scale),
      scale('Monetary', 'MONETARY', rfm.monetary, rfm.scale),
      h('small', null, `Scores count the ${number(days)} days up to today, against all customers who bought in them.`)]);
}

const UNITS = { RECENCY: 'days since the last purchase', FREQUENCY: 'orders', MONETARY: 'spent' };

/** The steps of one score with what each takes; the customer's own is marked. */
function scale(heading, metric, own, steps) {
  const write = metric === 'MONETARY' ? shortMoney : number;
  const bounds = ({ from, to }) => (to === null ? `from ${write(from)}` : Number(from ?? 0) === 0 ? `up to ${write(to)}`
    : from === to ? write(to) : `${write(from)}–${write(to)}`);
  const mine = steps.filter(step => step.metric === metric);
  return h('div', null,
    h('h3', null, heading, ' ', h('span', { class: 'soft' }, `${own} of 5: ${mine.find(step => step.score === own)?.sentence.slice(3) ?? ''}`)),
    h('ol', { class: 'scale', 'aria-label': `${heading}, ${UNITS[metric]}` }, mine.map(step => h('li', {
      value: step.score, 'aria-current': step.score === own ? 'true' : null, title: step.sentence,
    }, h('strong', null, step.score), h('span', null, step.from === null && step.to === null ? 'any' : bounds(step))))));
}

/** Where the customer is, why and since when; and where the rules say something else than the memberships. */
function segments(page, customer) {
  const assign = page.mayEdit && !customer.erased && button('Put into a segment …', () => assignTo(page, customer), { id: 'assign' });
  return panel('Segments', { actions: assign, wide: true },
    customer.segments.length
      ? h('ul', { class: 'list lined' }, customer.segments.map(membership => memberOf(page, customer, membership)))
      : h('p', { class: 'empty' }, customer.erased ? 'An erased customer is in no segment.' : 'In no segment at the moment.'),
    !customer.erased && later(page, () => differences(page, customer), 'Comparing with the rules …'));
}

function memberOf(page, customer, { source, assignedAt, assignedBy, segment }) {
  const remove = page.mayEdit && segment.kind === 'MANUAL' && button('Take out', async () => {
    const done = await confirm('Take out of the segment?', [`${customer.name || customer.externalId} is no member of ${segment.name} any more. The history keeps it.`],
      'Take out', () => change(REMOVE, { segmentId: segment.id, customerIds: [customer.id] }));
    if (done) await page.reload();
  }, { 'aria-label': `Take out of ${segment.name}` });
  return h('li', null,
    h('div', { class: 'row' }, h('strong', null, segmentLink(segment)),
      h('span', { class: 'soft' }, `since ${instant(assignedAt)}, `, whoDid(source, assignedBy)), remove),
    segment.sentence && h('p', null, segment.sentence),
    segment.kind === 'AUTOMATIC' && why(page, customer, segment));
}

/** The clauses of a rule, asked for when they are opened. */
function why(page, customer, segment) {
  const explain = async () => {
    const data = await ask(WHY, { segmentId: segment.id, customerId: customer.id }, { signal: page.signal });
    return data.segmentExplain ? clausesTable(data.segmentExplain.clauses) : notice('warning', 'The segment or the customer is gone.');
  };
  const element = h('details', { id: `why-${segment.key}`, ontoggle: () => {
    if (element.open && element.children.length === 1) element.append(later(page, explain));
  } }, h('summary', null, 'Why, clause by clause', h('span', { class: 'unseen' }, `: ${segment.name}`)));
  return element;
}

async function differences(page, customer) {
  const { matchingSegments: matching } = (await ask(MATCHING, { id: customer.id }, { signal: page.signal })).customer;
  const [held, holding] = [new Set(customer.segments.map(each => each.segment.key)), new Set(matching.map(segment => segment.key))];
  const entering = matching.filter(segment => !held.has(segment.key));
  const leaving = customer.segments.filter(({ source, segment }) => source === 'RULE' && !holding.has(segment.key)).map(({ segment }) => segment);
  if (!entering.length && !leaving.length) {
    return h('p', { class: 'soft' }, 'The automatic segments are as their rules say for this customer.');
  }
  const listed = (heading, all) => all.length > 0 && [h('h3', null, heading), h('ul', { class: 'list lined' },
    all.map(segment => h('li', null, h('strong', null, segmentLink(segment)), segment.sentence && h('p', null, segment.sentence), why(page, customer, segment))))];
  return h('div', { class: 'stack' },
    listed('Not a member yet, although the rule holds', entering),
    listed('Still a member, although the rule does not hold', leaving),
    page.mayEdit
      ? button('Recalculate this customer', () => recalculate(page, customer), { id: 'recalculate' })
      : h('p', { class: 'soft' }, 'They follow when the segments are recalculated.'));
}

async function recalculate(page, customer) {
  const { entered, left } = await change(RECALCULATE, { customerId: customer.id }, { signal: page.signal });
  const names = all => all.map(segment => segment.name).join(', ');
  await page.reload();
  page.say([entered.length && `Entered ${names(entered)}.`, left.length && `Left ${names(left)}.`].filter(Boolean).join(' ') || 'Nothing changed.');
}

/** Purchases, entries and exits as one list. Both come page by page, so it ends where the next page of one begins. */
function timeline(page, customer) {
  const shown = page.query.get('timeline') ?? 'all';
  const streams = [
    { name: 'purchases', make: purchaseEvent, ...readPurchases(customer.purchases) },
    { name: 'memberships', make: changeEvent(customer), ...readChanges(customer.membershipHistory) },
  ].filter(stream => shown === 'all' || shown === stream.name);
  const items = h('ol', { class: 'timeline' });
  const more = h('div');
  const draw = () => {
    // Of a list that goes on, nothing is known before its last item.
    const known = Math.max(...streams.map(stream => (stream.more ? stream.items.at(-1).at : -Infinity)));
    const events = streams.flatMap(({ items: all, make }) => all.filter(({ at }) => at >= known).map(item => ({ ...item, make })));
    fill(items, events.sort((one, other) => other.at - one.at).map(({ make, node }) => make(node)));
    fill(more, streams.some(stream => stream.more) && button('Show more', async () => {
      const before = items.children.length;
      await load(page, customer, streams.filter(stream => stream.more && stream.items.at(-1).at >= known));
      draw();
      items.children[before]?.focus();
    }));
  };
  draw();
  const { purchases, membershipHistory } = customer;
  return panel('Timeline', { wide: true },
    h('p', { class: 'soft' }, `${count(purchases.totalCount, 'purchase')} of every status, and ${count(membershipHistory.totalCount, 'entry or exit', 'entries and exits')}; newest first.`),
    tabs(page, 'Parts of the timeline', [['all', 'Everything'], ['purchases', 'Purchases'], ['memberships', 'Entries and exits']], 'timeline'),
    items.children.length ? items : h('p', { class: 'empty' }, 'Nothing has happened yet.'), more);
}

const readPurchases = ({ nodes, pageInfo }) => ({
  items: nodes.map(node => ({ at: Date.parse(node.purchasedAt), node })), more: pageInfo.hasNextPage, cursor: pageInfo.endCursor,
});
const readChanges = ({ nodes, pageInfo }) => ({
  items: nodes.map(node => ({ at: Date.parse(node.at), node })).reverse(), more: pageInfo.hasPreviousPage, cursor: pageInfo.startCursor,
});

async function load(page, customer, streams) {
  const [purchases, changes] = ['purchases', 'memberships'].map(key => streams.find(stream => stream.name === key));
  const found = (await ask(EARLIER, {
    id: customer.id, size: PAGE, purchases: Boolean(purchases), changes: Boolean(changes), after: purchases?.cursor, before: changes?.cursor,
  }, { signal: page.signal })).customer;
  const add = (stream, read) => stream && Object.assign(stream, read, { items: [...stream.items, ...read.items] });
  add(purchases, found.purchases && readPurchases(found.purchases));
  add(changes, found.membershipHistory && readChanges(found.membershipHistory));
}

const STATUS_TONES = { COMPLETED: 'good', PARTIAL: 'good', PENDING: 'watch', REFUNDED: 'bad', CANCELLED: 'bad' };

function purchaseEvent({ externalId, purchasedAt, status, amount, storefront, channel, attributes, lines }) {
  const where = [storefront && name(storefront.name), channel && name(channel)].filter(Boolean);
  return h('li', { class: 'event', tabindex: '-1' },
    h('time', { datetime: purchasedAt }, instant(purchasedAt)),
    h('div', null,
      h('div', { class: 'row' }, h('strong', null, money(amount)), tag(title(status), STATUS_TONES[status]),
        h('span', { class: 'soft' }, 'order ', name(externalId), where.map(part => [' · ', part]))),
      lines.length > 0 && h('details', null, h('summary', null, count(lines.length, 'line'), ': ',
        [...new Set(lines.map(line => line.product ?? line.category ?? line.sku))].filter(Boolean).slice(0, 3).join(', ')), linesOf(externalId, lines, status)),
      Object.entries(attributes).length > 0 && facts(...Object.entries(attributes).map(([key, value]) => [name(key), attribute(value)]))));
}

const linesOf = (order, lines, status) => table(`Lines of ${order}`, [
  { title: 'Product', cell: line => name(line.product ?? '–') },
  { title: 'Category', cell: line => name(line.category ?? '–') },
  { title: 'SKU', cell: line => line.sku ?? '–' },
  { title: 'Quantity', number: true, cell: line => (line.quantity === null ? '–' : number(Number(line.quantity))) },
  { title: 'Amount', number: true, cell: line => money(line.amount) },
  { title: 'Status', cell: line => (line.status === status ? 'as the order' : tag(title(line.status), STATUS_TONES[line.status])) },
], lines);

const changeEvent = customer => ({ kind, source, at, by, segment, customer: of }) => h('li', { class: 'event', tabindex: '-1' },
  h('time', { datetime: at }, instant(at)),
  h('div', null, kind === 'ENTERED' ? 'Entered ' : 'Left ', segmentLink(segment), ' ',
    h('span', { class: 'soft' }, whoDid(source, by), of.externalId !== customer.externalId && [', as ', name(of.externalId)])));

function whatCanBeDone(page, customer) {
  return [
    button('Merge into another …', () => merge(page, customer), { id: 'merge' }),
    button('Erase …', () => erase(page, customer), { kind: 'danger', id: 'erase' }),
  ];
}

async function assignTo(page, customer) {
  const done = await dialog('Put into a segment', close => [
    finder('Segment', {
      hint: 'Those whose members are put in by hand; the members of the others follow from their rules.',
      find: async (search, signal) => (await ask(FIND_SEGMENTS, { search }, { signal })).segments.nodes,
      show: segment => [name(segment.name), ` (${count(segment.memberCount, 'member')})`],
      choose: async segment => {
        await change(ASSIGN, { segmentId: segment.id, customerIds: [customer.id] });
        close(segment);
      },
    }),
    h('div', { class: 'actions' }, button('Cancel', () => close(null))),
  ]);
  if (!done) return;
  await page.reload();
  page.say(`Put into ${done.name}.`);
}

/** First into whom, then what it means. */
async function merge(page, customer) {
  const into = await dialog('Merge into which customer?', close => [
    finder('Customer who stays', {
      hint: 'The beginning of a name, of an e-mail or of a customer id.',
      find: async (search, signal) => (await ask(FIND_CUSTOMERS, { search }, { signal })).customers.nodes.filter(each => each.id !== customer.id),
      show: each => [name(each.name || each.externalId), h('span', { class: 'soft' }, ' ', name([each.name && each.externalId, each.email].filter(Boolean).join(', ')))],
      choose: close,
    }),
    h('div', { class: 'actions' }, button('Cancel', () => close(null))),
  ]);
  if (!into) return;
  const called = each => (each.name ? `${each.name} (${each.externalId})` : each.externalId);
  const done = await confirm('Merge the two customers?', [
    `${called(customer)} goes and ${called(into)} stays.`,
    `${count(customer.purchases.totalCount, 'purchase')} move over. What the profile of the one who stays lacks is taken from the other, and so are memberships that were given by hand; the automatic ones follow.`,
    `The id ${customer.externalId} means ${called(into)} from then on.`,
    'This cannot be undone.',
  ], 'Merge', () => change(MERGE, { fromId: customer.id, intoId: into.id }));
  if (done) go(customerAddress(into));
}

async function erase(page, customer) {
  const done = await dialog('Erase this customer?', close => {
    const typed = field(`Type the customer id ${customer.externalId} to confirm`, h('input', { type: 'text', autocomplete: 'off', spellcheck: 'false' }));
    const consequence = (word, ...sentences) => h('div', null, h('h3', null, word), h('ul', null, sentences.map(each => h('li', null, each))));
    return [
      consequence('What goes', 'Name, e-mail, phone, city, country and all attributes, also those of the orders.',
        'The customer id, wherever it is kept: in the profile, in rejected rows of imports, in the audit log.',
        `${count(customer.segments.length, 'membership')}: it leaves every segment, and lists and files of members from now on.`),
      consequence('What stays', `${count(customer.purchases.totalCount, 'purchase')} without a name, so that reports keep their totals.`,
        'The history of memberships, of somebody unnamed. Loyalty level and day of registration.',
        'A keyed hash of the id: when it comes again with an import, it is refused.',
        'Copies and backups that were made before.'),
      notice('warning', 'This cannot be undone.'),
      typed,
      h('div', { class: 'actions' },
        button('Erase for good', async () => {
          const same = typed.control.value.trim() === customer.externalId;
          typed.fail(same ? '' : `This is not the id ${customer.externalId}.`);
          if (!same) return;
          await change(ERASE, { customerId: customer.id });
          close(true);
        }, { kind: 'danger' }),
        button('Cancel', () => close(false), { autofocus: true })),
    ];
  });
  if (!done) return;
  page.go('/customers/erased', { id: customer.id });
  page.say('The customer was erased.');
}
