// Customers: who they are, found by name, by label, by loyalty level and by segment. The whole question stands in the
// address, and in words above the answer; where it can be said as a rule, a segment can be made of it.

import { ask } from '../api.js';
import {
  customerLink, fill, h, later, link, name, notice, pageArguments, pager, searchField, table,
} from '../elements.js';
import { address } from '../router.js';
import { count, day, dayOf, money, number } from '../words.js';

const CUSTOMERS = /* GraphQL */ `
  query Customers(
    $first: Int, $after: String, $last: Int, $before: String
    $filter: CustomerFilter, $sort: CustomerSort, $reverse: Boolean
  ) {
    customers(first: $first, after: $after, last: $last, before: $before, filter: $filter, sort: $sort, reverse: $reverse) {
      totalCount
      nodes {
        id externalId name email loyaltyLevel
        metrics { orderCount totalRevenue lastPurchaseAt }
        classification { frequency spending category }
        rfm { score segmentName }
      }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
    segments(first: 250, sort: MEMBER_COUNT, reverse: true) { nodes { key name memberCount } }
  }
`;

const LABELS = /* GraphQL */ `
  query CustomersByLabel { classificationStatistics { dimension label customerCount } }
`;

const LEVELS = /* GraphQL */ `
  query LoyaltyLevels { ruleVariables { name values } }
`;

const WORDS_OF_A_RULE = /* GraphQL */ `
  query WordsOfARule($definition: SegmentDefinitionInput!) { segmentPreview(definition: $definition) { sentence } }
`;

/** By their names in the address: what a filter is called, and the variable of rules that means the same. */
const FILTERS = {
  frequency: { title: 'Frequency', variable: 'purchase_frequency_label' },
  spending: { title: 'Spending', variable: 'spending_label' },
  category: { title: 'Category', variable: 'category_label' },
  loyalty: { title: 'Loyalty level', variable: 'loyalty_level' },
  segment: { title: 'Segment' },
};

/** The order in words, and turned round. */
const SORTS = {
  EXTERNAL_ID: ['by customer id', 'by customer id, last first'],
  NAME: ['by name', 'by name, last first'],
  TOTAL_REVENUE: ['by revenue, least first', 'by revenue, most first'],
  ORDER_COUNT: ['by orders, fewest first', 'by orders, most first'],
  LAST_PURCHASE_AT: ['by last purchase, longest ago first', 'by last purchase, newest first'],
};
const [SORT, LONG_LIST, MOST_SEGMENTS] = ['TOTAL_REVENUE', 12, 250];

export async function show(page) {
  const question = read(page.query);
  let answer = null;
  let wrong = question.wrong;
  if (!wrong) {
    try {
      answer = await ask(CUSTOMERS, { ...pageArguments(page), ...question.arguments }, { signal: page.signal });
    } catch (error) {
      if (!['BAD_USER_INPUT', 'INVALID_RULE'].includes(error.code)) throw error;
      wrong = error.message;
    }
  }
  const segments = answer?.segments.nodes ?? [];
  const filters = describe(page, segments);
  if (!filters.length && answer?.customers.totalCount === 0) return emptyShop(page);
  const sentence = answer && write(answer.customers.totalCount, filters, question);
  if (sentence) page.say(sentence);
  return page.view('Customers', { lead: sentence, actions: answer && page.mayEdit && makeSegment(question, filters) },
    h('div', { class: 'filtered' },
      panelOfFilters(page, segments),
      h('div', { class: 'stack' },
        chips(page, filters),
        wrong ? notice('error', h('p', null, wrong), h('p', null, link('Show all customers', page.path)))
          : h('section', { class: 'panel' }, list(page, answer.customers, filters)))));
}

/** What the address asks, as arguments of the API and as rules. */
function read(query) {
  const of = key => (query.has(key) ? query.getAll(key) : null);
  const inSegments = query.getAll('segment').map(key => ({ in: [key, { var: 'segments' }] }));
  const question = { search: query.get('search') ?? '', rules: inSegments, wrong: '' };
  try {
    if (query.has('rules')) question.rules = [...inSegments, JSON.parse(query.get('rules'))].flat();
  } catch {
    question.wrong = 'The rule in the address is no JSON.';
  }
  question.arguments = {
    sort: query.get('sort') ?? SORT,
    reverse: !query.has('sort') || query.get('reverse') === 'true',
    filter: {
      search: question.search || null,
      frequency: of('frequency'), spending: of('spending'), category: of('category'), loyaltyLevels: of('loyalty'),
      rules: question.rules.length ? question.rules : null,
    },
  };
  // The same question as rules alone, of which a segment can be made.
  const labels = Object.entries(FILTERS).filter(([key, { variable }]) => variable && query.has(key))
    .map(([key, { variable }]) => ({ in: [{ var: variable }, query.getAll(key)] }));
  question.rules = [...labels, ...question.rules];
  return question;
}

/** The filters that the address names: each with its words, and the address without it. */
function describe(page, segments) {
  const names = new Map(segments.map(segment => [segment.key, segment.name]));
  const away = values => page.address({ ...values, after: '', before: '' });
  const filters = Object.entries(FILTERS).flatMap(([key, { title }]) => page.query.getAll(key).map((value, _, all) => ({
    key, title, text: key === 'segment' ? names.get(value) ?? value : value,
    away: away({ [key]: all.filter(each => each !== value) }),
  })));
  if (page.query.has('search')) {
    filters.unshift({ key: 'search', title: 'Search', text: page.query.get('search'), away: away({ search: '' }) });
  }
  if (page.query.has('rules')) {
    filters.push({ key: 'rules', title: 'Rule', text: page.query.get('rules'), away: away({ rules: '' }) });
  }
  return filters;
}

/** The question in words, such as "812 customers whose spending is “High Value”, by revenue, most first". */
function write(total, filters, { arguments: { sort, reverse } }) {
  const values = key => filters.filter(filter => filter.key === key).map(filter => `“${filter.text}”`);
  const clauses = Object.entries(FILTERS).filter(([key]) => values(key).length).map(([key, { title }]) => (
    key === 'segment' ? `who are in ${values(key).join(' and in ')}` : `whose ${title.toLowerCase()} is ${values(key).join(' or ')}`));
  if (values('search').length) clauses.unshift(`found by ${values('search')}`);
  if (values('rules').length) clauses.push('for whom the rule holds');
  return `${[count(total, 'customer'), clauses.join(' and ')].filter(Boolean).join(' ')}, ${SORTS[sort][Number(reverse)]}.`;
}

function makeSegment({ search, rules }, filters) {
  if (!filters.length) return null;
  if (search) return h('p', { class: 'soft' }, 'A search is no rule: without it, a segment can be made of these customers.');
  return h('a', { class: 'button', href: address('/new-segment', { rules: JSON.stringify(rules) }) }, 'Make a segment of these');
}

function chips(page, filters) {
  if (!filters.length) return null;
  const chip = ({ key, title, text, away }) => h('li', null,
    h('a', { class: 'chip', href: away, title: 'Take this filter away' },
      h('span', { class: 'unseen' }, 'Without '), `${title}: `,
      key === 'rules' ? wordsOfRule(page, text) : name(text), h('span', { 'aria-hidden': 'true' }, ' ×')));
  return h('ul', { class: 'chips', 'aria-label': 'Filters' },
    filters.map(chip), h('li', null, h('a', { href: address(page.path, { sort: page.query.get('sort'), reverse: page.query.get('reverse') }) }, 'Without any filter')));
}

const emptyShop = page => page.view('Customers', { lead: 'This shop has no customers yet.' },
  h('p', null, 'They come with their purchases, or from a file of customers.'),
  h('p', null, h('a', { class: 'button primary', href: address('/imports') }, 'Import a file')));

/** The rule's own text until its sentence is there. */
function wordsOfRule(page, text) {
  const words = h('span', null, text);
  ask(WORDS_OF_A_RULE, { definition: { rules: text } }, { signal: page.signal })
    .then(({ segmentPreview }) => segmentPreview.sentence && fill(words, segmentPreview.sentence), () => {});
  return words;
}

function list(page, customers, filters) {
  const nothing = filters.length ? emptyAnswer(filters) : 'There is nobody on this page any more.';
  return [
    table('Customers', [
      { title: 'Name', sort: 'NAME', cell: customer => [customerLink(customer), customer.email && h('div', null, h('small', null, name(customer.email)))] },
      { title: 'Customer id', sort: 'EXTERNAL_ID', cell: customer => name(customer.externalId) },
      { title: 'Orders', sort: 'ORDER_COUNT', number: true, cell: ({ metrics }) => number(metrics.orderCount) },
      { title: 'Revenue', sort: 'TOTAL_REVENUE', number: true, cell: ({ metrics }) => money(metrics.totalRevenue) },
      { title: 'Last purchase', sort: 'LAST_PURCHASE_AT', number: true, cell: ({ metrics: { lastPurchaseAt } }) => (lastPurchaseAt ? day(dayOf(lastPurchaseAt)) : '–') },
      { title: 'Labels', cell: ({ classification: { frequency, spending, category }, loyaltyLevel }) =>
        h('small', null, name([frequency, spending, category, loyaltyLevel].filter(Boolean).join(' · '))) },
      { title: 'RFM', cell: ({ rfm }) => (rfm ? h('span', { class: 'whole-words' }, h('strong', null, rfm.score), ` ${rfm.segmentName}`) : h('span', { class: 'soft' }, 'no purchase')) },
    ], customers.nodes, { page, sort: SORT, reverse: true, empty: nothing }),
    pager(page, customers, 'customers'),
  ];
}

/** Nobody was found: what to change. */
function emptyAnswer(filters) {
  const searched = filters.some(filter => filter.key === 'search');
  return [
    h('p', null, 'Nobody is found with ', filters.length === 1 ? 'this filter.' : 'all these filters together.',
      searched && ' A search compares the beginning of the customer id, of the e-mail and of each word of the name: try fewer letters.'),
    h('p', null, 'Ask again without ', filters.map(({ title, text, away }, place) => [
      place > 0 && ', or without ', h('a', { href: away }, title, ' ', name(text))]), '.'),
  ];
}

/** Beside the list, and above it in a narrow window: the values of each filter, with how many customers have them. */
function panelOfFilters(page, segments) {
  const beside = matchMedia('(min-width: 64rem)').matches;
  const labels = key => () => remember(page, 'labels', async () => (await ask(LABELS)).classificationStatistics,
    all => all.filter(each => each.dimension === key).map(({ label, customerCount }) => [label, label, customerCount]));
  const levels = () => remember(page, 'levels', async () => (await ask(LEVELS)).ruleVariables,
    all => all.find(each => each.name === FILTERS.loyalty.variable).values.map(level => [level, level]));
  return h('details', { class: 'panel filters', id: 'filters', open: beside },
    h('summary', null, 'Search and filters'),
    searchField(page, 'Search', 'search', 'The beginning of a name, of an e-mail or of a customer id.'),
    ['frequency', 'spending', 'category'].map(key => facet(page, key, labels(key), true)),
    facet(page, 'segment', () => segments.map(segment => [segment.key, segment.name, segment.memberCount]), true),
    // Counting these takes longest, so it is done for those who look.
    facet(page, 'loyalty', levels, false),
    h('small', null, 'Counts are those of the whole shop. Of several labels or levels one is enough; of several segments all are meant.',
      segments.length === MOST_SEGMENTS && ` Of the segments the ${MOST_SEGMENTS} largest are listed.`));
}

const kept = new Map();
/** What was counted last for the shop, so that a filter that is chosen stays in its place; counted again after a minute. */
function remember(page, what, work, read) {
  const key = `${page.viewer.business.id} ${what}`;
  if (!(kept.get(key)?.until > Date.now())) {
    const counted = { until: Date.now() + 60_000, value: work().then(value => { counted.value = value; return value; }) };
    counted.value.catch(() => kept.delete(key));
    kept.set(key, counted);
  }
  const { value } = kept.get(key);
  return value instanceof Promise ? value.then(read) : read(value);
}

/** The values of one filter as boxes to tick, asked for when they are opened. */
function facet(page, key, load, open) {
  const element = h('details', {
    class: 'facet', id: `facet-${key}`, open: open || page.query.has(key), ontoggle: () => complete(),
  }, h('summary', null, FILTERS[key].title));
  const complete = () => {
    if (!element.open || element.children.length > 1) return;
    const values = load();
    element.append(values instanceof Promise ? later(page, async () => boxes(page, key, await load())) : boxes(page, key, values));
  };
  complete();
  return element;
}

/** Those that are ticked first; a long list can be searched. */
function boxes(page, key, options) {
  const { title } = FILTERS[key];
  const chosen = page.query.getAll(key);
  const known = new Set(options.map(([value]) => value));
  const all = [...chosen.filter(value => !known.has(value)).map(value => [value, value]), ...options];
  if (!all.length) return h('p', { class: 'soft' }, 'There is none.');
  const ticked = ([value]) => chosen.includes(value);
  const items = [...all.filter(ticked), ...all.filter(option => !ticked(option))].map(option => {
    const [value, text, customers] = option;
    const box = h('input', {
      type: 'checkbox', id: `filter-${key}-${value}`, checked: ticked(option),
      onchange: () => page.change({ [key]: box.checked ? [...chosen, value] : chosen.filter(each => each !== value), after: '', before: '' }),
    });
    return h('li', { 'data-text': text.toLocaleLowerCase() },
      h('label', null, box, name(text), customers !== undefined && h('span', { class: 'soft' }, number(customers))));
  });
  const find = h('input', {
    type: 'search', 'aria-label': `Find among ${items.length}: ${title}`, placeholder: `Find among ${items.length}`, autocomplete: 'off', dir: 'auto',
    oninput: () => items.forEach(item => { item.hidden = !item.dataset.text.includes(find.value.trim().toLocaleLowerCase()); }),
  });
  return h('div', { class: 'stack' }, items.length > LONG_LIST && find, h('ul', { 'aria-label': title }, items));
}
