// The report of a window: how much was bought against the window before, which groups the customers are in, and
// how they came there. Every mark leads to the customers behind it, whom `overview/customers.js` lists.

import { ask, change } from '../api.js';
import { bars, flows, heat, lines } from '../charts.js';
import {
  button, choiceField, download, field, figure, figures, h, later, link, name, notice, panel, table, tabs, tag,
} from '../elements.js';
import {
  addDays, count, day, dayOf, decimal, difference, money, number, percent, shortMoney, today,
} from '../words.js';
import { NO_LIST, listAddress, loadList } from './overview/customers.js';

const OVERVIEW = /* GraphQL */ `
  query Overview(
    $method: SegmentationMethod!, $scheme: RfmScheme!, $dimension: String, $days: Int!, $asOf: Date,
    $storefrontId: ID
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
    segmentTransitions(
      method: $method, scheme: $scheme, days: $days, storefrontId: $storefrontId, from: $from, to: $to
    ) {
      cells(dimension: $dimension) { fromSegment fromCode toSegment toCode customerCount }
    }
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
    $format: ExportFormat!, $method: SegmentationMethod!, $scheme: RfmScheme!, $days: Int!, $asOf: Date,
    $storefrontId: ID
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
const MEASURES = {
  customers: { title: 'Customers', key: 'customerCount', words: number, short: number },
  revenue: { title: 'Revenue', key: 'totalRevenue', words: money, short: shortMoney },
};
const MEANINGS = { GOOD: 'Good', WATCH: 'Watch', BAD: 'Being lost' };
const FORMATS = { PDF: 'PDF', XLSX: 'Excel', CSV: 'CSV', JSON: 'JSON' };
const DAYS = [30, 90, 180, 365];
const STANDARD_DAYS = 90;
/** So many groups are drawn, and so many are in the table at first; a shop may have hundreds of categories. */
const DRAWN = 12;
const LISTED = 50;

export async function show(page) {
  const view = VIEWS[page.query.get('view')] ?? VIEWS.rfm;
  const asOf = page.query.get('asOf');
  const asked = {
    method: view.method,
    scheme: view.scheme,
    dimension: view.dimension,
    days: readDays(page.query.get('days')),
    asOf: /^\d{4}-\d\d-\d\d$/.test(asOf ?? '') ? asOf : null,
    storefrontId: page.query.get('storefront'),
  };
  const [{ storefronts, segmentationReport: report }, list] = await Promise.all([
    ask(OVERVIEW, asked, { signal: page.signal }),
    loadList(page, asked, moveVariables(asked)),
  ]);
  const lastDay = report.customerCount ? null : await findLastDay(page);
  if (!report.customerCount && !lastDay) return showFirstSteps(page);

  return page.view('Overview', {
    lead: [`${nameWindow(report)}, ${count(asked.days, 'day')}`, namePlace(report),
      report.previous && `, compared with ${nameWindow(report.previous)}`],
    actions: Object.entries(FORMATS).map(([format, called]) => button(called, async () => {
      const { dimension, ...given } = asked;
      download((await change(EXPORT, { ...given, format }, { signal: page.signal })).path);
    }, { 'aria-label': `Download as ${called}`, id: `download-${format}` })),
  },
  tabs(page, 'Groups by', listTitles(VIEWS)),
  makeSwitches(page, asked, report, storefronts),
  report.customerCount ? showReport(page, asked, report) : showNobody(page, report, lastDay),
  list);
}

const listTitles = named => Object.entries(named).map(([key, { title }]) => [key, title]);
const nameWindow = ({ startDate, endDate }) => `${day(startDate)} to ${day(endDate)}`;
const namePlace = ({ storefront }) => storefront && [' at ', name(storefront.name)];
const toneOf = meaning => (meaning === 'NEUTRAL' ? '' : meaning.toLowerCase());
const measureOf = page => MEASURES[page.query.get('by')] ?? MEASURES.customers;
const sortBy = (groups, key) => [...groups].sort((a, b) => Number(b[key]) - Number(a[key]));

/** The items by what `keyOf` makes of each, in the order in which they come. */
function groupBy(items, keyOf) {
  const groups = new Map();
  for (const item of items) {
    const key = keyOf(item);
    if (groups.has(key)) groups.get(key).push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

function readDays(text) {
  const days = Number(text ?? STANDARD_DAYS);
  return Number.isInteger(days) && days >= 1 && days <= 9999 ? days : STANDARD_DAYS;
}

/** Days, end and storefront of the window; all of them stand in the address. */
function makeSwitches(page, { days }, report, storefronts) {
  return h('div', { class: 'toolbar' },
    h('nav', { class: 'field', 'aria-label': 'Length of the window' },
      h('span', { class: 'soft' }, 'Days'),
      h('div', { class: 'choices' }, DAYS.map(each => h('a', {
        id: `days-${each}`, class: 'button', 'aria-current': each === days ? 'true' : null,
        href: page.address({ ...NO_LIST, days: each === STANDARD_DAYS ? '' : each }),
      }, `${each}`)))),
    typed(page, 'Other number of days', 'days',
      { type: 'number', min: '1', max: '9999', value: days }, 'A whole number from 1 to 9,999.'),
    typed(page, 'Last day', 'asOf',
      { type: 'date', min: '1970-01-01', max: '9999-12-31', value: report.endDate }, 'A day such as 2026-11-30.'),
    storefronts.length > 0 && choiceField(page, 'Storefront',
      [['', 'All'], ...storefronts.map(each => [each.id, each.name])], 'storefront'));
}

/** A field that is in the address as `key`: it follows a pause in typing, so that no day is taken by halves. */
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

function showReport(page, asked, report) {
  const other = report.unclassified?.customerCount ? [report.unclassified] : [];
  const groups = [...report.segments, ...other];
  const scored = report.cells?.length > 0;
  return [
    panel('What stands out', { id: 'insights' },
      h('ul', null, report.insights.sentences.map(sentence => h('li', null, name(sentence))))),
    makeFigures(report),
    h('div', { class: 'panels large' },
      panel('Groups', { id: 'groups', actions: tabs(page, 'Measured by', listTitles(MEASURES), 'by') },
        drawGroups(page, groups, report)),
      scored && panel('Recency and frequency', { id: 'scores' }, drawCells(page, report.cells, groups)),
      panel('Over the last year', { id: 'trend' }, later(page, () => drawTrend(page, asked, groups))),
      panel('Where they came from', { id: 'moves', wide: !scored }, report.previous
        ? later(page, () => drawMoves(page, asked, report, groups))
        : h('p', { class: 'empty' }, 'Nobody bought in the window before, so there is nothing to compare.')),
      panel('What the groups mean and what to do', { id: 'meanings', wide: true },
        listGroups(page, groups), offerSegments(page, asked))),
  ];
}

function makeFigures(report) {
  const { previous } = report;
  const make = (label, key, words) => {
    const [text, direction] = difference(report[key], previous?.[key]);
    return figure(label, words(report[key]),
      h('span', { class: ['bad', 'soft', 'good'][direction + 1] }, text),
      previous && h('small', { class: 'below' }, `${words(previous[key])} before`));
  };
  return figures(
    make('Customers', 'customerCount', number),
    make('Orders', 'orderCount', number),
    make('Revenue', 'totalRevenue', money),
    make('Average order', 'averageOrderValue', money));
}

/** By how many customers a group changed, and the tone of whether that is better or worse for what it means. */
function describeChange({ meaning, customerCount, previousCustomerCount }) {
  if (previousCustomerCount === null) return ['no window before', ''];
  const more = customerCount - previousCustomerCount;
  if (!more) return ['as many as before', ''];
  const text = `${number(Math.abs(more))} ${more > 0 ? 'more' : 'fewer'} than before`;
  if (meaning === 'NEUTRAL') return [text, ''];
  return (meaning === 'GOOD') === more > 0 ? [`${text}, better`, 'good'] : [`${text}, worse`, 'bad'];
}

function drawGroups(page, groups, report) {
  const measure = measureOf(page);
  const { key, title, words, short } = measure;
  const sorted = sortBy(groups, key);
  const rows = sorted.slice(0, DRAWN).map(group => ({
    label: group.segmentName,
    value: Number(group[key]),
    text: words(group[key]),
    tone: toneOf(group.meaning),
    note: measure === MEASURES.customers
      ? describeChange(group)[0]
      : difference(group.totalRevenue, group.previousTotalRevenue)[0],
    href: listAddress(page, { group: group.segmentCode }),
  }));
  const rest = sorted.slice(DRAWN).reduce((sum, group) => sum + Number(group[key]), 0);
  if (rest) rows.push({ label: count(sorted.length - DRAWN, 'other group'), value: rest, text: short(rest) });
  const [most] = sorted;
  return bars({
    title: `${title} by group`,
    finding: `${most.segmentName} has most ${title.toLowerCase()}: ${words(most[key])}. `
      + 'Choose a group to see its customers.',
    rows, unit: title, labelTitle: 'Group', shareOf: Number(report[key]),
  });
}

function listGroups(page, groups) {
  const all = page.query.get('all') === 'true' || groups.length <= LISTED;
  const share = value => h('small', { class: 'below' }, percent(value));
  const changed = group => {
    const [text, tone] = describeChange(group);
    return h('span', { class: tone }, text);
  };
  return [
    table('Groups with what they mean and what to do', [
      { title: 'Group', cell: each => h('div', { class: 'roomy' },
        h('a', { href: listAddress(page, { group: each.segmentCode }) }, name(each.segmentName)), ' ',
        each.meaning !== 'NEUTRAL' && tag(MEANINGS[each.meaning], toneOf(each.meaning)),
        h('small', { class: 'below' }, each.description)) },
      { title: 'Customers', number: true, cell: each => [number(each.customerCount), share(each.customerShare)] },
      { title: 'Change', cell: changed },
      { title: 'Revenue', number: true, cell: each => [money(each.totalRevenue), share(each.revenueShare)] },
      { title: 'Average order', number: true, cell: each => money(each.averageOrderValue) },
      { title: 'Each customer', cell: each => describeCustomer(each.characteristics) },
      { title: 'What to do', cell: each => h('ul', { class: 'plain roomy' },
        each.recommendedActions.map(action => h('li', null, action))) },
    ], all ? groups : groups.slice(0, LISTED)),
    !all && h('p', null, h('a', { id: 'all-groups', href: page.address({ all: 'true' }) },
      `Show all ${number(groups.length)} groups`)),
  ];
}

function describeCustomer({ avgDaysSinceLastPurchase: age, avgPurchaseFrequency: orders, avgTotalSpend: spend }) {
  if (age === null) return h('span', { class: 'soft' }, 'nobody');
  return h('span', { class: 'roomy' },
    `${decimal(orders)} orders, ${money(spend)}, the last ${decimal(age, 0)} days ago`);
}

function offerSegments(page, { method, scheme }) {
  if (method !== 'RFM') return null;
  if (!page.mayEdit) {
    return h('p', { class: 'soft' },
      'To make segments of these groups, sign in with a token that has customers:edit.');
  }
  return h('div', { class: 'row' },
    button('Make a segment of each group', async () => {
      await change(MAKE_SEGMENTS, { scheme }, { signal: page.signal });
      page.go('/segments');
    }, { id: 'make-segments' }),
    h('span', { class: 'soft' },
      'They follow purchases by themselves. Those that are there already stay as they are.'));
}

/** Recency upwards, frequency to the right; a square is named by the group that most of its customers are in. */
function drawCells(page, cells, groups) {
  const meanings = new Map(groups.map(group => [group.segmentName, group.meaning]));
  const total = each => each.reduce((sum, { customerCount }) => sum + customerCount, 0);
  const squares = [5, 4, 3, 2, 1].flatMap((recency, row) => [1, 2, 3, 4, 5].map((frequency, column) => {
    const inside = cells.filter(each => each.recency === recency && each.frequency === frequency);
    if (!inside.length) return { row, column, value: 0 };
    const named = [...groupBy(inside, each => each.segmentName)];
    const [largest] = named.reduce((most, each) => (total(each[1]) > total(most[1]) ? each : most));
    return {
      row, column, value: total(inside), note: largest, tone: toneOf(meanings.get(largest) ?? 'NEUTRAL'),
      href: listAddress(page, { cell: `${recency}${frequency}` }),
    };
  }));
  const best = squares.find(each => each.row === 0 && each.column === 4).value;
  return heat({
    title: 'Customers by recency and frequency',
    finding: `${count(best, 'customer')} bought both lately and most often. A square is named by the group that `
      + 'most of its customers are in; choose it to see them.',
    rowTitle: 'Recency', rows: ['5, lately', '4', '3', '2', '1, long ago'],
    columnTitle: 'Frequency', columns: ['1, fewest', '2', '3', '4', '5, most orders'],
    cells: squares, unit: 'Customers',
  });
}

async function drawTrend(page, { dimension, ...window }, groups) {
  const { segmentationReport: { trend } } = await ask(TREND, window, { signal: page.signal });
  if (!trend.length) return h('p', { class: 'empty' }, 'There are too many groups to draw them over a year.');
  const { key, title, short } = measureOf(page);
  const labels = [...new Set(trend.map(point => point.date))];
  const known = groupBy(trend.filter(point => point.dimension === dimension), point => point.segmentCode);
  const largest = sortBy(groups, key).map(group => group.segmentCode).filter(code => known.has(code));
  const codes = [...new Set([...largest, ...known.keys()])];
  const valuesOf = points => labels.map(date => Number(points.find(point => point.date === date)?.[key] ?? 0));
  const series = codes.slice(0, DRAWN).map(code => {
    const points = known.get(code);
    return { name: points[0].segmentName, values: valuesOf(points) };
  });
  const others = codes.slice(DRAWN).map(code => valuesOf(known.get(code)));
  if (others.length) {
    const values = labels.map((_, place) => others.reduce((sum, each) => sum + each[place], 0));
    series.push({ name: count(others.length, 'other group'), values, tone: 'soft' });
  }
  return lines({
    title: `${title} by group over twelve windows`,
    finding: `${count(window.days, 'day')} each, a month apart, every window scored within itself.`,
    labels, series, unit: title, format: short, stacked: true,
  });
}

/** The window before ends on the day before this one begins. */
function moveVariables({ method, scheme, dimension, days, storefrontId, asOf }) {
  const to = asOf ?? today();
  return { method, scheme, dimension, days, storefrontId, from: addDays(to, -days), to };
}

async function drawMoves(page, asked, report, groups) {
  const { segmentTransitions: { cells } } = await ask(MOVES, moveVariables(asked), { signal: page.signal });
  const drawn = sortBy(groups, 'customerCount').slice(0, DRAWN).map(group => group.segmentCode);
  const placeOf = code => (code === null ? 'nobody' : drawn.includes(code) ? code : 'others');
  const links = [...groupBy(cells, cell => JSON.stringify([cell.fromCode, cell.toCode].map(placeOf)))]
    .map(([places, joined]) => {
      const [from, to] = JSON.parse(places);
      const [{ fromCode, toCode }] = joined;
      return {
        from, to,
        value: joined.reduce((sum, cell) => sum + cell.customerCount, 0),
        href: from === 'others' || to === 'others' ? null
          : listAddress(page, { move: asked.dimension, from: fromCode, to: toCode }),
      };
    });
  const places = [
    ...groups.filter(group => drawn.includes(group.segmentCode))
      .map(group => ({ key: group.segmentCode, label: group.segmentName, tone: toneOf(group.meaning) })),
    { key: 'others', label: 'Other groups', tone: 'soft' },
    { key: 'nobody', label: 'Did not buy', tone: 'soft' },
  ];
  const used = end => places.filter(place => links.some(each => each[end] === place.key));
  const sum = wanted => number(cells.filter(wanted).reduce((all, cell) => all + cell.customerCount, 0));
  return flows({
    title: 'From group to group',
    finding: `${sum(cell => cell.fromCode === cell.toCode)} stayed in their group, `
      + `${sum(cell => cell.fromCode && cell.toCode && cell.fromCode !== cell.toCode)} changed it, `
      + `${sum(cell => !cell.fromCode)} had not bought before `
      + `and ${sum(cell => !cell.toCode)} have not bought again.`,
    from: used('from'), fromTitle: nameWindow(report.previous),
    to: used('to'), toTitle: nameWindow(report),
    links,
  });
}

/** The day of the last purchase of the shop; null where there never was one. */
async function findLastDay(page) {
  const bought = { '>': [{ var: 'order_count' }, 0] };
  const { customers: { nodes: [last] } } = await ask(LAST_PURCHASE, { bought }, { signal: page.signal });
  return last ? dayOf(last.metrics.lastPurchaseAt) : null;
}

function showNobody(page, report, lastDay) {
  const elsewhere = lastDay >= report.startDate && lastDay <= report.endDate;
  const other = (id, values, text) => h('a', { id, href: page.address({ ...NO_LIST, ...values }) }, text);
  return notice('info',
    h('p', null, `Nobody bought from ${nameWindow(report)}`, namePlace(report), '.'),
    elsewhere
      ? h('p', null, other('everywhere', { storefront: '' }, 'Show all storefronts'))
      : h('p', null, `The last purchase of the shop was on ${day(lastDay)}: `,
        other('last-window', { asOf: lastDay }, 'show the window that ends then')));
}

function showFirstSteps(page) {
  const step = (title, text, more) => h('li', { class: 'panel' }, h('h2', null, title), h('p', null, text), more);
  return page.view('Welcome', { lead: 'There are no purchases yet. Three steps to know who your customers are:' },
    h('ol', { class: 'panels three steps' },
      step('1. Import your purchases',
        'Drop the export of your shop as it is, such as CSV, Excel or JSON. Its columns are found by themselves, '
          + 'and you see what was understood before anything is kept.',
        page.mayEdit
          ? h('p', null, h('a', { class: 'button primary', id: 'import', href: '#/imports' }, 'Import a file'))
          : h('p', { class: 'soft' },
            'This token may only look: sign in with one that has customers:edit to import.')),
      step('2. See who is who',
        'This page then shows your best customers, those who slip away and those who just came, and what to do.'),
      step('3. Keep them in segments',
        'Make segments of them with one click, or by rules of your own. They follow purchases by themselves.',
        h('p', null, link('Segments', '/segments')))));
}
