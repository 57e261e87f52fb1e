// One import: how far it is, what became of its rows, which were rejected and what would mend them, what is doubtful
// about the rest, and taking it back. Its address is that of the running import, too, so a reload goes on following it.

import { ask, change } from '../api.js';
import { button, confirm, figure, figures, h, name, notice, pager, panel, progress, save, table, tag } from '../elements.js';
import { follow } from '../live.js';
import { ago, count, instant, money, number, percent } from '../words.js';

const IMPORT = /* GraphQL */ `
  query Import($id: ID!, $reason: String, $after: String) {
    job(id: $id) {
      id status createdAt startedAt finishedAt
      progress { done total fraction phase }
      error { code message }
      ... on PurchaseImport {
        source rowsRead created updated unchanged rejected undoneAt
        undo { begunAt ordersRemoved ordersRestored ordersLeft customersRemoved customersKept storefrontsRemoved }
        quality {
          missingDates futureDates doubtfulDates duplicates negativeAmounts zeroAmounts unknownCategories outliers
          largestOutliers { orderId amount }
          refundsNotAttributed refundedAmount replacedOrders
        }
        rejectReasons { reason count firstLine remedy }
        rejects(first: 25, after: $after, reason: $reason) {
          totalCount
          nodes { line text reason }
          pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        }
      }
    }
  }
`;

const REJECTS = /* GraphQL */ `
  query Rejects($id: ID!, $reason: String, $after: String) {
    job(id: $id) {
      ... on PurchaseImport {
        rejects(first: 250, after: $after, reason: $reason) {
          nodes { line text reason }
          pageInfo { hasNextPage endCursor }
        }
      }
    }
  }
`;

const PROGRESS = /* GraphQL */ `
  subscription ImportProgress($id: ID!) {
    jobProgress(id: $id) {
      id status
      progress { done total fraction phase }
    }
  }
`;

const CANCEL = /* GraphQL */ `
  mutation CancelImport($id: ID!) {
    cancelJob(id: $id) {
      job { id status }
      userErrors { message code field }
    }
  }
`;

const UNDO = /* GraphQL */ `
  mutation UndoImport($id: ID!) {
    undoImport(id: $id) {
      purchaseImport { id undo { begunAt } }
      userErrors { message code field }
    }
  }
`;

const UNDO_PROGRESS = /* GraphQL */ `
  query UndoProgress($id: ID!) {
    job(id: $id) {
      ... on PurchaseImport {
        undoneAt
        undo { ordersRemoved ordersRestored }
      }
    }
  }
`;

const ACTIVE = ['QUEUED', 'RUNNING'];
const MOST_SAVED = 10_000;
const ASK_AGAIN_AFTER = 1000;

/** What a check of the quality counts, and in a sentence what was done about it. */
const CHECKS = [
  ['missingDates', 'Rows without a date', 'They were rejected.'],
  ['futureDates', 'Rows in the future', 'They count from their day on.'],
  ['doubtfulDates', 'Rows before 1970 or more than ten years ahead', 'They are likely mistyped, and count as they stand.'],
  ['duplicates', 'Rows equal to another of their order', 'All of them are kept.'],
  ['negativeAmounts', 'Rows with a negative amount', 'Alone in their order they were rejected, else they lower its amount.'],
  ['zeroAmounts', 'Rows with an amount of zero', 'They are kept; they may be gifts, or amounts that were not exported.'],
  ['unknownCategories', 'Rows without a category', 'They count for money, and for no category.'],
  ['outliers', 'Orders with an amount far beyond the rest', 'They count as they stand; the largest are named below.'],
  ['refundsNotAttributed', 'Refunds that name no order', 'They were rejected: an order that they lower is not known.'],
  ['replacedOrders', 'Orders that replaced lines of an earlier import', 'A file states its orders whole; take the import back if it was not meant.'],
];

const WORDS = {
  QUEUED: ['It waits for its turn', ''], RUNNING: ['It is being imported', ''], SUCCEEDED: ['Imported', 'good'],
  FAILED: ['Failed', 'bad'], CANCELLED: ['Cancelled', 'watch'],
};

export async function show(page) {
  const variables = { id: page.params.id, reason: page.query.get('reason'), after: page.query.get('after') };
  const { job: found } = await ask(IMPORT, variables, { signal: page.signal });
  if (!found?.source) {
    return page.view('There is no such import', { up: ['/imports', 'Imports'] },
      h('p', null, 'It may belong to another business, or the address may be cut short.'));
  }
  const running = ACTIVE.includes(found.status);
  const begun = found.undo && !found.undoneAt;
  return page.view(found.source, { up: ['/imports', 'Imports'], lead: describe(found), actions: running && page.mayEdit && cancel(page, found) },
    running && following(page, found),
    found.error && notice(found.status === 'CANCELLED' ? 'warning' : 'error', found.error.message),
    begun && undoing(page, found),
    found.undoneAt && notice('info', h('strong', null, `Taken back ${ago(found.undoneAt)}. `), describeUndo(found.undo)),
    !running && counts(found),
    !running && found.rejected > 0 && rejected(page, found),
    found.quality && quality(found.quality),
    !running && !found.undo && (found.created > 0 || found.updated > 0) && takeBack(page, found));
}

function describe({ status, createdAt, startedAt, finishedAt }) {
  const [word, tone] = WORDS[status];
  const ended = finishedAt && startedAt && ` It took ${seconds((Date.parse(finishedAt) - Date.parse(startedAt)) / 1000)}.`;
  return [tag(word, tone), ` Asked for on ${instant(createdAt)}.`, ended];
}

const seconds = time => (time < 1 ? 'less than a second' : time < 120 ? count(Math.round(time), 'second') : count(Math.round(time / 60), 'minute'));

const cancel = (page, { id }) => button('Cancel', async () => {
  await change(CANCEL, { id });
  page.say('The import was asked to end.');
}, { id: 'cancel' });

/** How far it is, as it goes on; when it has ended the page shows what came of it. */
function following(page, found) {
  const bar = progress(`Progress of ${found.source}`);
  const tell = ({ status, progress: { done, total, fraction, phase } }) => {
    const counted = { merging: 'order', reading: 'row' }[phase] ?? 'row';
    if (status === 'QUEUED') bar.show(null, 'It waits for its turn.');
    else if (total === null) bar.show(null, `${phase}: ${count(done, counted)}`);
    else bar.show(fraction, `${phase}: ${number(done)} of ${count(total, counted)}, ${percent(fraction, 0)}`);
  };
  tell(found);
  const trouble = h('p', { class: 'soft' });
  const ended = follow(PROGRESS, { id: found.id }, ({ jobProgress }) => tell(jobProgress), {
    signal: page.signal, tell: there => { trouble.textContent = there ? '' : 'The connection broke off; the import goes on without it.'; },
  });
  ended.then(() => {
    if (page.signal.aborted) return;
    page.say(`The import of ${found.source} has ended.`);
    page.reload();
  }, error => bar.show(null, error.message));
  return panel('How far it is', {}, bar, trouble,
    h('p', { class: 'soft' }, 'It goes on when this page is left. Orders are written as they come; what was written stays where it is cancelled, and can be taken back.'));
}

function counts({ rowsRead, created, updated, unchanged, rejected: refused }) {
  const share = value => rowsRead > 0 && percent(value / rowsRead);
  return figures(
    figure('Rows read', number(rowsRead)), figure('Of new orders', number(created), share(created)),
    figure('Of orders that changed', number(updated), share(updated)), figure('As they were known', number(unchanged), share(unchanged)),
    figure('Rejected', h('span', { class: refused ? 'watch' : null }, number(refused)), share(refused)));
}

/** Rows that were refused: by reason with what would mend them, then row by row, of one reason or of all. */
function rejected(page, found) {
  const reason = page.query.get('reason');
  const only = one => h('a', { href: page.address({ reason: one.reason, after: '' }), 'aria-current': one.reason === reason ? 'true' : null }, h('bdi', null, one.reason));
  const shown = reason ? `${count(found.rejects.totalCount, 'row')} rejected for: ${reason}` : `${count(found.rejected, 'rejected row')}, as they stand in the file`;
  return panel('Rejected rows', { actions: saveRejects(page, found, reason), wide: true },
    table('Rejected rows by reason', [
      { title: 'Reason', cell: only },
      { title: 'Rows', number: true, cell: one => number(one.count) },
      { title: 'First on line', number: true, cell: one => number(one.firstLine) },
      { title: 'What mends them', cell: one => one.remedy ?? h('span', { class: 'soft' }, 'nothing is to be mended') },
    ], found.rejectReasons),
    h('h3', { id: 'rows' }, h('bdi', null, shown)),
    reason && h('p', null, h('a', { id: 'all-reasons', href: page.address({ reason: '', after: '' }) }, 'Show the rows of all reasons')),
    table('Rejected rows one by one', [
      { title: 'Line', number: true, cell: row => number(row.line) },
      { title: 'Row', cell: row => h('code', { dir: 'auto' }, row.text) },
      { title: 'Why', cell: row => h('bdi', null, row.reason) },
    ], found.rejects.nodes, { empty: 'No row was rejected for this reason.' }),
    pager(page, found.rejects, 'rejected rows', { before: '' }),
    h('p', { class: 'soft' }, 'Mend the rows in the file and import it again: what is there already stays as it is. In a terminal, ',
      h('code', null, 'segments import FILE --rejects rejects.csv'), ' writes a file of whole orders that can be mended and imported by itself.'));
}

function saveRejects(page, found, reason) {
  return button('Save as CSV', async () => {
    const rows = [];
    for (let after = null, more = true; more && rows.length < MOST_SAVED;) {
      const { job: { rejects } } = await ask(REJECTS, { id: found.id, reason, after }, { signal: page.signal });
      rows.push(...rejects.nodes);
      [after, more] = [rejects.pageInfo.endCursor, rejects.pageInfo.hasNextPage];
    }
    const lines = [['line', 'reason', 'row'], ...rows.map(row => [String(row.line), row.reason, row.text])];
    save(`rejects-${found.source.replace(/\.\w+$/, '')}.csv`, new Blob(['\ufeff', lines.map(line => line.map(quote).join(',')).join('\r\n')], { type: 'text/csv' }));
    page.say(`${count(rows.length, 'row')} saved.`);
  }, { title: found.rejected > MOST_SAVED ? `The first ${number(MOST_SAVED)} rows` : null });
}

/** A cell of CSV, with an apostrophe before what a spreadsheet would calculate. */
const quote = text => `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;

function quality(found) {
  const seen = CHECKS.filter(([key]) => found[key] > 0);
  const none = CHECKS.filter(([key]) => !found[key]);
  return panel('What is doubtful', { wide: true },
    table('Checks that found something', [
      { title: 'Check', cell: ([, label]) => label },
      { title: 'Found', number: true, cell: ([key]) => h('strong', null, number(found[key])) },
      { title: 'What was done', cell: ([key, , sentence]) => (key === 'refundsNotAttributed' ? `${sentence} They come to ${money(found.refundedAmount)}.` : sentence) },
    ], seen, { empty: 'Nothing was found: no check had anything to count.' }),
    found.largestOutliers.length > 0 && h('div', null, h('h3', null, 'The largest orders beyond the rest'),
      table('Largest outliers', [
        { title: 'Order', cell: one => name(one.orderId) },
        { title: 'Amount', number: true, cell: one => money(one.amount) },
      ], found.largestOutliers)),
    none.length > 0 && seen.length > 0 && h('details', { id: 'found-nothing' }, h('summary', null, `${count(none.length, 'further check')} found nothing`),
      h('ul', null, none.map(([, label]) => h('li', null, label)))));
}

function takeBack(page, found) {
  const consequences = [
    found.created > 0 && `Orders that it made are removed (${count(found.created, 'row')}), and customers of whom nothing else is known.`,
    found.updated > 0 && `Orders that it changed get back what they were (${count(found.updated, 'row')}).`,
    'Figures follow at once, segments soon after. What the file said of customers (names, e-mails) stays.',
    'Where others have changed these orders since, nothing is taken back, and the reasons are said.',
  ].filter(Boolean);
  const ask = () => confirm(`Take ${found.source} back?`, [...consequences, 'To have it again, import the file again.'], 'Take it back', async () => {
    await change(UNDO, { id: found.id });
  }).then(done => {
    if (!done) return;
    page.say(`${found.source} is being taken back.`);
    page.reload();
  });
  return panel('Take it back', {}, h('ul', null, consequences.map(sentence => h('li', null, sentence))),
    page.mayEdit ? h('div', { class: 'actions' }, button('Take this import back', ask, { kind: 'danger', id: 'undo' }))
      : h('p', { class: 'soft' }, 'Taking it back needs a token with the permission customers:edit.'));
}

/** It is being taken back, in short steps, also when nobody looks; asked for again until it has ended. */
function undoing(page, found) {
  const bar = progress(`Taking ${found.source} back`);
  const tell = ({ undo }) => bar.show(null, `${count(undo.ordersRemoved, 'order')} removed, ${count(undo.ordersRestored, 'order')} restored so far`);
  tell(found);
  const again = async () => {
    const { job } = await ask(UNDO_PROGRESS, { id: found.id }, { signal: page.signal });
    if (page.signal.aborted) return;
    tell(job);
    if (!job.undoneAt) {
      setTimeout(() => page.signal.aborted || again().catch(fail), ASK_AGAIN_AFTER);
      return;
    }
    page.say(`${found.source} was taken back.`);
    page.reload();
  };
  const fail = error => error.name === 'AbortError' || bar.show(null, error.message);
  again().catch(fail);
  return panel('It is being taken back', {}, bar);
}

function describeUndo({ ordersRemoved, ordersRestored, ordersLeft, customersRemoved, customersKept, storefrontsRemoved }) {
  return [
    `${count(ordersRemoved, 'order')} removed, ${count(ordersRestored, 'order')} restored, ${count(customersRemoved, 'customer')} removed.`,
    customersKept > 0 && ` ${count(customersKept, 'customer')} stay without purchases, as something else is known of them.`,
    storefrontsRemoved > 0 && ` ${count(storefrontsRemoved, 'storefront')} removed.`,
    ordersLeft > 0 && ` ${count(ordersLeft, 'order')} were left as others had written them meanwhile.`,
  ];
}
