// The report of a window: how much was bought against the window before, which groups the customers are in, and how they
// came there. Every mark leads to the customers behind it, who are listed in a drawer that the address names.

import { ask, change } from '../api.js';
import { bars, flows, heat, lines } from '../charts.js';
import {
  button, choiceField, customerLink, download, field, figure, figures, h, later, link, name, notice, pager, panel, table,
  tabs, tag,
} from '../elements.js';
import { addDays, count, day, dayOf, decimal, difference, money, number, percent, shortMoney } from '../words.js';

const OVERVIEW = /* GraphQL */ `
  query Overview(
    $method: SegmentationMethod!, $scheme: RfmScheme!, $dimension: String, $days: Int!, $asOf: Date, $storefrontId: ID
  ) {
    storefronts { id name }
    segmentationReport(method: $method, scheme: $scheme, days: $days, asOf: $asOf, storefrontId: $storefrontId) {
      startDate endDate
      storefront { name }
      customerCount orderCount totalRevenue averageOrderValue
      previous { startDate endDate customerCount orderCount totalRevenue averageOrderValue }
      insights { sentences }
      segments(dimension: $dimension) { ...Group }
      unclassified { ...Group }
      cells { recency frequency segmentName customerCount totalRevenue }
    }
  }
  fragment Group on ReportSegment {
    segmentName segmentCode description meaning
    customerCount customerShare totalRevenue revenueShare averageOrderValue
    previousCustomerCount previousTotalRevenue
    characteristics { avgDaysSinceLastPurchase avgPurchaseFrequency avgTotalSpend }
    recommendedActions
  }
`;

const TREND = /* GraphQL */ `
  query Trend($method: SegmentationMethod!, $scheme: RfmScheme!, $days: Int!, $asOf: Date, $storefrontId: ID) {
    segmentationReport(method: $method, scheme: $scheme, days: $days, asOf: $asOf, storefrontId: $storefrontId) {
      trend { date dimension segmentName segmentCode customerCount totalRevenue }
    }
  }
`;

const MOVES = /* GraphQL */ `
  query Moves(
    $method: SegmentationMethod!, $scheme: RfmScheme!, $dimension: String, $days: Int!, $storefrontId: ID,
    $from: Date!, $to: Date!
  ) {
    segmentTransitions(method: $method, scheme: $scheme, days: $days, storefrontId: $storefrontId, from: $from, to: $to) {
      cells(dimension: $dimension) { fromSegment fromCode toSegment toCode customerCount }
    }
  }
`;

const CUSTOMERS_OF_GROUP = /* GraphQL */ `
  query CustomersOfGroup(
    $method: SegmentationMethod!, $scheme: RfmScheme!, $days: Int!, $asOf: Date, $storefrontId: ID,
    $group: String!, $after: String
  ) {
    segmentationReport(
      method: $method, scheme: $scheme, days: $days, asOf: $asOf, storefrontId: $storefrontId, segmentCode: $group
    ) {
      segments {
        segmentName description meaning recommendedActions
        customers(first: 50, after: $after) { ...Customers }
      }
    }
  }
  fragment Customers on CustomerConnection {
    nodes { externalId name metrics { orderCount totalRevenue lastPurchaseAt } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    totalCount
  }
`;

const CUSTOMERS_OF_CELL = /* GraphQL */ `
  query CustomersOfCell(
    $days: Int!, $asOf: Date, $storefrontId: ID, $recency: Int!, $frequency: Int!, $after: String
  ) {
    segmentationReport(days: $days, asOf: $asOf, storefrontId: $storefrontId) {
      customers(recency: $recency, frequency: $frequency, first: 50, after: $after) { ...Customers }
    }
  }
  fragment Customers on CustomerConnection {
    nodes { externalId name metrics { orderCount totalRevenue lastPurchaseAt } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    totalCount
  }
`;

const CUSTOMERS_OF_MOVE = /* GraphQL */ `
  query CustomersOfMove(
    $method: SegmentationMethod!, $scheme: RfmScheme!, $dimension: String, $days: Int!, $storefrontId: ID,
    $from: Date!, $to: Date!, $fromCode: String, $toCode: String, $after: String
  ) {
    segmentTransitions(method: $method, scheme: $scheme, days: $days, storefrontId: $storefrontId, from: $from, to: $to) {
      cells(dimension: $dimension, fromCode: $fromCode, toCode: $toCode) {
        fromSegment toSegment fromRevenue toRevenue
        customers(first: 50, after: $after) { ...Customers }
      }
    }
  }
  fragment Customers on CustomerConnection {
    nodes { externalId name metrics { orderCount totalRevenue lastPurchaseAt } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    totalCount
  }
`;

const LAST_PURCHASE = /* GraphQL */ `
  query LastPurchase($bought: JSON!) {
    customers(first: 1, filter: { rules: $bought }, sort: LAST_PURCHASE_AT, reverse: true) {
      nodes { metrics { lastPurchaseAt } }
    }
  }
`;

const EXPORT = /* GraphQL */ `
  mutation ExportReport(
    $format: ExportFormat!, $method: SegmentationMethod!, $scheme: RfmScheme!, $days: Int!, $asOf: Date, $storefrontId: ID
  ) {
    exportSegmentationReport(
      format: $format, method: $method, scheme: $scheme, days: $days, asOf: $asOf, storefrontId: $storefrontId
    ) { path userErrors { message code field path } }
  }
`;

const MAKE_SEGMENTS = /* GraphQL */ `
  mutation MakeSegments($scheme: RfmScheme!) {
    createStandardSegments(scheme: $scheme) { segments { key } userErrors { message code field path } }
  }
`;

const VIEWS = {
  rfm: { title: 'RFM, eight groups', method: 'RFM', scheme: 'EIGHT_SEGMENT', dimension: 'rfm' },
  eleven: { title: 'RFM, eleven-segment scheme', method: 'RFM', scheme: 'ELEVEN_SEGMENT', dimension: 'rfm' },
  value: { title: 'Value', method: 'VALUE', scheme: 'EIGHT_SEGMENT', dimension: 'value' },
  category: { title: 'Category', method: 'BEHAVIOR', scheme: 'EIGHT_SEGMENT', dimension: 'category' },
  channel: { title: 'Channel', method: 'BEHAVIOR', scheme: 'EIGHT_SEGMENT', dimension: 'channel' },
  season: { title: 'Season', method: 'BEHAVIOR', scheme: 'EIGHT_SEGMENT', dimension: 'season' },
};
const FORMATS = [['PDF', 'PDF'], ['XLSX', 'Excel'], ['CSV', 'CSV'], ['JSON', 'JSON']];
const DAYS = [30, 90, 180, 365];
const STANDARD_DAYS = 90;
const MEANINGS = { GOOD: ['good', 'Good'], WATCH: ['watch', 'Watch'], BAD: ['bad', 'Being lost'], NEUTRAL: ['', 'Neutral'] };
const DRAWN = 12;
const LISTED = 50;
/** What names the list of customers in the address; nobody's list without them. */
const NO_LIST = { group: '', cell: '', move: '', from: '', to: '', after: '' };

/** The mark from which the list was opened, to which the focus goes back. */
let opener = null;

export async function show(page) {
  const view = VIEWS[page.query.get('view')] ?? VIEWS.rfm;
  const { method, scheme, dimension } = view;
  const asOf = /^\d{4}-\d\d-\d\d$/.test(page.query.get('asOf') ?? '') ? page.query.get('asOf') : null;
  const window = { method, scheme, days: readDays(page.query.get('days')), asOf, storefrontId: page.query.get('storefront') };
  const [{ storefronts, segmentationReport: report }, list] = await Promise.all([
    ask(OVERVIEW, { ...window, dimension }, { signal: page.signal }),
    loadList(page, view, window),
  ]);
  const lastDay = report.customerCount ? null : await findLastDay(page);
  if (!report.customerCount && !lastDay) return showFirstSteps(page);
  if (page.query.get('group') || page.query.get('cell') || page.query.get('move')) opener = markOf(listAddress(page));
  else returnFocus();

  const [place, before] = [report.storefront ? ` at ${report.storefront.name}` : '', report.previous];
  return page.view('Overview', {
    lead: [`${day(report.startDate)} to ${day(report.endDate)}, ${count(window.days, 'day')}`, name(place),
      before && `, compared with ${day(before.startDate)} to ${day(before.endDate)}`],
    actions: FORMATS.map(([format, called]) => button(called, async () => {
      download((await change(EXPORT, { ...window, format }, { signal: page.signal })).path);
    }, { 'aria-label': `Download as ${called}`, id: `download-${format}` })),
  },
  tabs(page, 'Groups by', Object.entries(VIEWS).map(([key, { title }]) => [key, title])),
  makeSwitches(page, window, report, storefronts),
  report.customerCount ? showReport(page, view, window, report) : showNobody(page, report, lastDay),
  list);
}

function readDays(text) {
  const days = Number(text ?? STANDARD_DAYS);
  return Number.isInteger(days) && days >= 1 && days <= 9999 ? days : STANDARD_DAYS;
}

/** Days, end and storefront of the window; all of them stand in the address. */
function makeSwitches(page, window, report, storefronts) {
  return h('div', { class: 'toolbar' },
    h('nav', { class: 'field', 'aria-label': 'Length of the window' },
      h('span', { class: 'soft small' }, 'Days'),
      h('div', { class: 'choices' }, DAYS.map(days => h('a', {
        id: `days-${days}`, class: 'button', 'aria-current': days === window.days ? 'true' : null,
        href: page.address({ ...NO_LIST, days: days === STANDARD_DAYS ? '' : days }),
      }, `${days}`)))),
    typed(page, 'Other number of days', 'days', { type: 'number', min: '1', max: '9999', value: window.days },
      'A whole number from 1 to 9,999.'),
    typed(page, 'Last day', 'asOf', { type: 'date', min: '1970-01-01', max: '9999-12-31', value: report.endDate },
      'A day such as 2026-11-30.'),
    storefronts.length > 0 && choiceField(page, 'Storefront', [['', 'All'], ...storefronts.map(each => [each.id, each.name])],
      'storefront'));
}

/** A field that is in the address as `key`: it follows a pause in typing, so that a day is not taken by halves. */
function typed(page, label, key, attributes, wrong) {
  let waiting;
  const take = () => {
    clearTimeout(waiting);
    element.fail(control.checkValidity() ? '' : wrong);
    if (control.checkValidity()) page.change({ ...NO_LIST, [key]: control.value });
  };
  const control = h('input', {
    ...attributes, id: `window-${key}`,
    oninput: () => { clearTimeout(waiting); waiting = setTimeout(take, 900); },
    onkeydown: event => event.key === 'Enter' && take(),
  });
  page.signal.addEventListener('abort', () => clearTimeout(waiting));
  const element = field(label, control);
  return element;
}

function showReport(page, view, window, report) {
  const groups = [...report.segments, ...(report.unclassified?.customerCount ? [report.unclassified] : [])];
  return [
    panel('What stands out', { id: 'insights' }, h('ul', null, report.insights.sentences.map(each => h('li', null, name(each))))),
    makeFigures(report),
    h('div', { class: 'panels large' },
      panel('Groups', {
        id: 'groups', actions: tabs(page, 'Measured by', [['customers', 'Customers'], ['revenue', 'Revenue']], 'by'),
      }, drawGroups(page, groups, report)),
      report.cells?.length > 0 && panel('Recency and frequency', { id: 'scores' }, drawCells(page, report.cells, groups)),
      panel('Over the last year', { id: 'trend' }, later(page, () => drawTrend(page, view, window, groups))),
      panel('Where they came from', { id: 'moves', wide: !report.cells?.length }, report.previous
        ? later(page, () => drawMoves(page, view, window, report, groups))
        : h('p', { class: 'empty' }, 'Nobody bought in the window before, so there is nothing to compare.')),
      panel('What the groups mean and what to do', { id: 'meanings', wide: true }, listGroups(page, groups), offerSegments(page, view))),
  ];
}

function makeFigures({ previous, ...report }) {
  const show = (label, key, words) => {
    const [text, direction] = difference(report[key], previous?.[key]);
    const tone = direction > 0 ? 'good' : direction < 0 ? 'bad' : 'soft';
    return figure(label, words(report[key]), h('span', { class: tone }, text),
      previous && h('small', null, `${words(previous[key])} before`));
  };
  return figures(
    show('Customers', 'customerCount', number),
    show('Orders', 'orderCount', number),
    show('Revenue', 'totalRevenue', money),
    show('Average order', 'averageOrderValue', money));
}

/** By how many customers a group changed, and whether that is better or worse for what the group means. */
function describeChange({ meaning, customerCount, previousCustomerCount }) {
  if (previousCustomerCount === null) return ['no window before', ''];
  const more = customerCount - previousCustomerCount;
  if (!more) return ['as many as before', ''];
  const better = (meaning === 'GOOD') === more > 0;
  const judged = meaning === 'NEUTRAL' ? '' : better ? ', better' : ', worse';
  return [`${number(Math.abs(more))} ${more > 0 ? 'more' : 'fewer'} than before${judged}`, judged && (better ? 'good' : 'bad')];
}

const isByRevenue = page => page.query.get('by') === 'revenue';
const listAddress = (page, values) => page.address({ ...pickList(page), ...(values && NO_LIST), ...values, after: '' });
const pickList = page => Object.fromEntries(Object.keys(NO_LIST).map(key => [key, page.query.get(key) ?? '']));
const markOf = href => `mark-${href}`;
const toneOf = meaning => MEANINGS[meaning][0];

function drawGroups(page, groups, report) {
  const [byRevenue, key] = isByRevenue(page) ? [true, 'totalRevenue'] : [false, 'customerCount'];
  const sorted = groups.toSorted((a, b) => Number(b[key]) - Number(a[key]));
  const words = byRevenue ? money : number;
  const rows = sorted.slice(0, DRAWN).map(group => ({
    label: group.segmentName, value: Number(group[key]), text: words(group[key]), tone: toneOf(group.meaning),
    note: byRevenue ? difference(group.totalRevenue, group.previousTotalRevenue)[0] : describeChange(group)[0],
    href: listAddress(page, { group: group.segmentCode }),
  }));
  const rest = sorted.slice(DRAWN).reduce((sum, group) => sum + Number(group[key]), 0);
  if (rest) rows.push({ label: count(sorted.length - DRAWN, 'other group'), value: rest, text: byRevenue ? shortMoney(rest) : number(rest) });
  const [most] = sorted;
  return bars({
    title: byRevenue ? 'Revenue by group' : 'Customers by group', rows, unit: byRevenue ? 'Revenue' : 'Customers', labelTitle: 'Group',
    finding: `${most.segmentName} ${byRevenue ? 'brought most revenue' : 'is the largest'}: ${words(most[key])}. Choose a group to see its customers.`,
    shareOf: Number(byRevenue ? report.totalRevenue : report.customerCount),
  });
}

function listGroups(page, groups) {
  const all = page.query.get('all') === 'true' || groups.length <= LISTED + 10;
  const shown = all ? groups : groups.slice(0, LISTED);
  const share = value => h('small', null, ` ${percent(value)}`);
  return [
    table('Groups with what they mean and what to do', [
      { title: 'Group', cell: each => [h('a', { href: listAddress(page, { group: each.segmentCode }) }, name(each.segmentName)),
        h('small', { class: 'below' }, each.description)] },
      { title: 'Meaning', cell: each => tag(MEANINGS[each.meaning][1], toneOf(each.meaning)) },
      { title: 'Customers', number: true, cell: each => [number(each.customerCount), share(each.customerShare)] },
      { title: 'Change', cell: each => { const [text, tone] = describeChange(each); return h('span', { class: `${tone} roomy` }, text); } },
      { title: 'Revenue', number: true, cell: each => [money(each.totalRevenue), share(each.revenueShare)] },
      { title: 'Average order', number: true, cell: each => money(each.averageOrderValue) },
      { title: 'Each customer', cell: each => describeCustomer(each.characteristics) },
      { title: 'What to do', cell: each => h('ul', { class: 'plain roomy' }, each.recommendedActions.map(action => h('li', null, action))) },
    ], shown),
    !all && h('p', null, h('a', { id: 'all-groups', href: page.address({ all: 'true' }) }, `Show all ${number(groups.length)} groups`)),
  ];
}

function describeCustomer({ avgDaysSinceLastPurchase: age, avgPurchaseFrequency: orders, avgTotalSpend: spend }) {
  if (age === null) return h('span', { class: 'soft' }, 'nobody');
  return h('span', { class: 'roomy' }, `${decimal(orders)} orders, ${money(spend)}, the last ${decimal(age, 0)} days ago`);
}

function offerSegments(page, { method, scheme }) {
  if (method !== 'RFM') return null;
  if (!page.mayEdit) {
    return h('p', { class: 'soft' }, 'To make segments of these groups, sign in with a token that has customers:edit.');
  }
  return h('div', { class: 'row' },
    button('Make a segment of each group', async () => {
      await change(MAKE_SEGMENTS, { scheme }, { signal: page.signal });
      page.go('/segments');
    }, { id: 'make-segments' }),
    h('span', { class: 'soft' }, 'They follow from purchases by themselves from then on. Those that are there already stay as they are.'));
}

/** Recency downwards, frequency to the right; a square is named by the group that most of its customers are in. */
function drawCells(page, cells, groups) {
  const squares = new Map();
  for (const cell of cells) {
    const key = `${cell.recency}${cell.frequency}`;
    const square = squares.get(key) ?? squares.set(key, { value: 0, revenue: 0, groups: new Map() }).get(key);
    square.value += cell.customerCount;
    square.revenue += Number(cell.totalRevenue);
    square.groups.set(cell.segmentName, (square.groups.get(cell.segmentName) ?? 0) + cell.customerCount);
  }
  const meanings = new Map(groups.map(group => [group.segmentName, group.meaning]));
  const drawn = [5, 4, 3, 2, 1].flatMap((recency, row) => [1, 2, 3, 4, 5].map((frequency, column) => {
    const square = squares.get(`${recency}${frequency}`);
    if (!square) return { row, column, value: 0 };
    const [largest] = [...square.groups].toSorted((a, b) => b[1] - a[1])[0];
    return { row, column, value: square.value, note: largest, tone: toneOf(meanings.get(largest) ?? 'NEUTRAL'),
      href: listAddress(page, { cell: `${recency}${frequency}` }) };
  }));
  const best = squares.get('55')?.value ?? 0;
  return heat({
    title: 'Customers by recency and frequency', unit: 'Customers', rowTitle: 'Recency', columnTitle: 'Frequency',
    finding: `${count(best, 'customer')} bought both lately and most often. A square is named by the group that most of its customers are in; choose it to see them.`,
    rows: ['5, lately', '4', '3', '2', '1, long ago'], columns: ['1, fewest', '2', '3', '4', '5, most orders'], cells: drawn,
  });
}

async function drawTrend(page, { dimension }, window, groups) {
  const { segmentationReport: { trend } } = await ask(TREND, window, { signal: page.signal });
  const points = trend.filter(each => each.dimension === dimension);
  if (!points.length) return h('p', { class: 'empty' }, 'There are too many groups to draw them over a year.');
  const [byRevenue, key] = isByRevenue(page) ? [true, 'totalRevenue'] : [false, 'customerCount'];
  const labels = [...new Set(points.map(each => each.date))];
  const values = new Map();
  for (const each of points) {
    if (!values.has(each.segmentCode)) values.set(each.segmentCode, { name: each.segmentName, values: labels.map(() => null) });
    values.get(each.segmentCode).values[labels.indexOf(each.date)] = Number(each[key]);
  }
  const most = groups.toSorted((a, b) => Number(b[key]) - Number(a[key])).map(each => each.segmentCode);
  const codes = [...new Set([...most, ...values.keys()])].filter(code => values.has(code));
  const series = codes.slice(0, DRAWN - 1).map(code => values.get(code));
  const others = codes.slice(DRAWN - 1).map(code => values.get(code).values);
  if (others.length) {
    series.push({ name: count(others.length, 'other group'), dashed: true, tone: 'soft',
      values: labels.map((_, at) => others.reduce((sum, each) => sum + (each[at] ?? 0), 0)) });
  }
  return lines({
    title: byRevenue ? 'Revenue by group over twelve windows' : 'Customers by group over twelve windows', labels, series,
    stacked: true, unit: byRevenue ? 'Revenue' : 'Customers', format: byRevenue ? shortMoney : number,
    finding: `${count(window.days, 'day')} each, a month apart, every window scored within itself.`,
  });
}

async function drawMoves(page, view, window, report, groups) {
  const { segmentTransitions: { cells } } = await ask(MOVES, moveVariables(view, window, report.startDate, report.endDate), { signal: page.signal });
  const kept = new Set(groups.toSorted((a, b) => b.customerCount - a.customerCount).slice(0, DRAWN).map(each => each.segmentCode));
  const nodeOf = (code, nobody) => (code === null ? nobody : kept.has(code) ? code : 'others');
  const links = new Map();
  for (const cell of cells) {
    const [from, to] = [nodeOf(cell.fromCode, 'new'), nodeOf(cell.toCode, 'gone')];
    const joined = from === 'others' || to === 'others';
    const found = links.get(`${from}→${to}`) ?? { from, to, value: 0,
      href: joined ? null : listAddress(page, { move: view.dimension, from: cell.fromCode, to: cell.toCode }) };
    links.set(`${from}→${to}`, found);
    found.value += cell.customerCount;
  }
  const nodes = (end, nobody) => {
    const used = new Set([...links.values()].map(each => each[end]));
    return [...groups.filter(each => kept.has(each.segmentCode)).map(each => ({ key: each.segmentCode, label: each.segmentName, tone: toneOf(each.meaning) })),
      { key: 'others', label: 'Other groups', tone: 'soft' }, { ...nobody, tone: 'soft' }].filter(each => used.has(each.key));
  };
  const sum = wanted => cells.filter(wanted).reduce((all, each) => all + each.customerCount, 0);
  const stayed = sum(each => each.fromCode === each.toCode);
  return flows({
    title: 'From group to group', links: [...links.values()],
    from: nodes('from', { key: 'new', label: 'Did not buy' }), to: nodes('to', { key: 'gone', label: 'Did not buy' }),
    fromTitle: `${day(report.previous.startDate)} to ${day(report.previous.endDate)}`, toTitle: `${day(report.startDate)} to ${day(report.endDate)}`,
    finding: `${count(stayed, 'customer')} stayed in their group, ${number(sum(each => each.fromCode && each.toCode && each.fromCode !== each.toCode))} changed it, `
      + `${number(sum(each => !each.fromCode))} had not bought before and ${number(sum(each => !each.toCode))} have not bought again.`,
  });
}

/** The window before ends on the day before this one begins. */
function moveVariables({ method, scheme, dimension }, { days, storefrontId }, first, last) {
  return { method, scheme, dimension, days, storefrontId, from: addDays(first, -1), to: last };
}

/** The customers of the group, the square or the move that the address names, in a drawer; nothing where it names none. */
async function loadList(page, view, window) {
  const found = await findList(page, view, window).catch(error => {
    if (error.name === 'AbortError') throw error;
    return { title: 'These customers cannot be shown', content: notice('error', error.message) };
  });
  if (!found) return null;
  const { title, lead, customers, content } = found;
  const drawer = h('dialog', {
    class: 'drawer', 'aria-labelledby': 'list-title', onclose: () => page.change(NO_LIST),
    onclick: event => event.target === drawer && drawer.close(),
  }, h('div', { class: 'page' },
    h('div', { class: 'page-head' }, h('h2', { id: 'list-title', tabindex: '-1', autofocus: true }, name(title)),
      h('button', { type: 'button', onclick: () => drawer.close() }, 'Close')),
    lead && h('p', { class: 'lead' }, lead),
    content,
    customers && table(title, [
      { title: 'Customer', cell: customerLink },
      { title: 'Orders so far', number: true, cell: each => number(each.metrics.orderCount) },
      { title: 'Revenue so far', number: true, cell: each => money(each.metrics.totalRevenue) },
      { title: 'Last purchase', cell: each => day(each.metrics.lastPurchaseAt && dayOf(each.metrics.lastPurchaseAt)) },
    ], customers.nodes, { empty: 'Nobody is here.' }),
    customers && pager(page, customers, 'customers', { before: '' })));
  requestAnimationFrame(() => drawer.isConnected && drawer.showModal());
  return drawer;
}

async function findList(page, view, window) {
  const [group, cell, move, after] = ['group', 'cell', 'move', 'after'].map(key => page.query.get(key));
  const { signal } = page;
  if (group) {
    const { segmentationReport: { segments: [found] } } = await ask(CUSTOMERS_OF_GROUP, { ...window, group, after }, { signal });
    return { title: found.segmentName, lead: found.description, customers: found.customers,
      content: [h('ul', null, found.recommendedActions.map(action => h('li', null, action))), offerSegment(page, view, group, found)] };
  }
  if (/^[1-5][1-5]$/.test(cell ?? '')) {
    const [recency, frequency] = [...cell].map(Number);
    const { segmentationReport: { customers } } = await ask(CUSTOMERS_OF_CELL, { ...window, recency, frequency, after }, { signal });
    return { title: `Recency ${recency}, frequency ${frequency}`, customers,
      lead: '5 is the latest purchase and the most orders of the window, 1 the earliest and the fewest.',
      content: editorLink(page, { minScore: `${cell}1`, maxScore: `${cell}5` }) };
  }
  if (move) {
    const { last, first } = findWindow(window);
    const codes = { fromCode: page.query.get('from'), toCode: page.query.get('to') };
    const { segmentTransitions: { cells: [found] } } = await ask(CUSTOMERS_OF_MOVE,
      { ...moveVariables({ ...view, dimension: move }, window, first, last), ...codes, after }, { signal });
    if (!found) return { title: 'Nobody went this way', content: null };
    return { title: `${found.fromSegment ?? 'Did not buy'} → ${found.toSegment ?? 'Did not buy'}`, customers: found.customers,
      lead: `They spent ${money(found.fromRevenue)} in the window before and ${money(found.toRevenue)} in this one.` };
  }
  return null;
}

/** The first and the last day of the window; the last is today in the shop's time zone where the address has none. */
function findWindow({ asOf, days }) {
  const last = asOf ?? dayOf(Date.now());
  return { last, first: addDays(last, 1 - days) };
}

function offerSegment(page, { scheme, method }, code, { segmentName }) {
  if (method !== 'RFM' || scheme !== 'EIGHT_SEGMENT' || code === 'OTHER') return null;
  return editorLink(page, { name: segmentName, rules: JSON.stringify({ '==': [{ var: 'rfm_segment_name' }, segmentName] }) });
}

const editorLink = (page, query) => page.mayEdit && h('p', null, link('Make a segment of these', '/new-segment', query),
  h('small', { class: 'below' }, 'A segment follows the shop’s own window from today on, so it may hold others than this list.'));

function returnFocus() {
  const id = opener;
  opener = null;
  if (id) requestAnimationFrame(() => document.getElementById(id)?.focus({ preventScroll: true }));
}

/** The day of the last purchase of the shop; none where there never was one. */
async function findLastDay(page) {
  const { customers } = await ask(LAST_PURCHASE, { bought: { '>': [{ var: 'order_count' }, 0] } }, { signal: page.signal });
  const last = customers.nodes[0]?.metrics.lastPurchaseAt;
  return last ? dayOf(last) : null;
}

function showNobody(page, report, lastDay) {
  const place = report.storefront ? ` at ${report.storefront.name}` : '';
  const elsewhere = lastDay >= report.startDate && lastDay <= report.endDate;
  return notice('info',
    h('p', null, `Nobody bought from ${day(report.startDate)} to ${day(report.endDate)}${place}.`),
    h('p', null, elsewhere ? h('a', { href: page.address({ ...NO_LIST, storefront: '' }) }, 'Show all storefronts') : [
      `The last purchase of the shop was on ${day(lastDay)}: `,
      h('a', { id: 'last-window', href: page.address({ ...NO_LIST, asOf: lastDay }) }, 'show the window that ends then')]));
}

function showFirstSteps(page) {
  const step = (title, text, ...more) => h('li', { class: 'panel' }, h('h2', null, title), h('p', null, text), more);
  return page.view('Welcome', { lead: 'There are no purchases yet. Three steps to know who your customers are:' },
    h('ol', { class: 'panels steps' },
      step('1. Import your purchases', 'Drop the export of your shop as it is, such as CSV, Excel or JSON. Its columns are found by themselves, and you see what was understood before anything is kept.',
        page.mayEdit ? h('p', null, h('a', { class: 'button primary', id: 'import', href: '#/imports' }, 'Import a file'))
          : h('p', { class: 'soft' }, 'This token may only look: sign in with one that has customers:edit to import.')),
      step('2. See who is who', 'This page then shows your best customers, those who slip away and those who just came, and what to do about each.'),
      step('3. Keep them in segments', 'Make segments of them with one click, or by rules of your own. They follow from purchases by themselves.',
        h('p', null, link('Segments', '/segments')))));
}
