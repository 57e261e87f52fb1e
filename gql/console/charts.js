// Pictures of numbers. Each function returns a figure: what it is, what it shows in a sentence, a drawing, the same
// values as a table, and both to be saved. A drawing is made for the width that it has, so that letters keep their
// size; its colours are those of the stylesheet, by class, and what a colour says a word or a place says, too.

import { button, fill, h, makeId, name, s, save, table } from './elements.js';
import { day, number, percent } from './words.js';

const LINE = 16;
const HUES = 8;
// Fewer than hues, so that what shares a hue differs in its dashes.
const DASHES = ['', '7 3', '2 3', '9 3 2 3', '4 2'];
const NARROW = 520;
const THIN = 0.005;
/** What the stylesheet says of a drawing, which a picture that is saved has to carry itself. */
const INLINED = [
  'fill', 'stroke', 'stroke-width', 'opacity', 'font-family', 'font-size', 'font-weight', 'unicode-bidi',
];

/**
 * Horizontal bars. A row: `label`, `value`, and as wanted `text` (the value in words), `note`, `tone` (good, watch,
 * bad), `href`. `shareOf` is the whole that each is a share of.
 */
export function bars({ title, finding, rows, unit = 'Value', shareOf = 0, labelTitle = 'Name' }) {
  const words = row => (row.text ?? number(row.value)) + (shareOf ? ` · ${percent(row.value / shareOf)}` : '');
  const most = Math.max(...rows.map(row => row.value), 0) || 1;
  const noted = rows.some(row => row.note);
  const draw = width => {
    const texts = notes => widest(rows.map(row => words(row) + (notes && row.note ? `  ${row.note}` : '')));
    const named = Math.min(widest(rows.map(row => row.label)), width * 0.3) + 12;
    // What does not fit beside a bar stands above and below it.
    const narrow = width < NARROW || named + texts(true) > width * 0.7;
    const labels = narrow ? 0 : named;
    const longest = width - labels - texts(!narrow) - 8;
    const height = narrow ? (noted ? 60 : 42) : 30;
    const marks = rows.map((row, place) => {
      const top = place * height;
      const [barTop, barHeight] = narrow ? [top + 20, 14] : [top + 6, 18];
      const [middle, below] = [barTop + (narrow ? 11 : 13), top + 49];
      const length = Math.max(longest * (row.value / most), row.value > 0 ? 2 : 0);
      const said = `${row.label}: ${words(row)}${row.note ? `, ${row.note}` : ''}`;
      return mark(row.href, said, row.tone || 'hue-1',
        s('rect', { x: 0, y: top, width, height, class: 'reach' }),
        narrow
          ? label(0, top + 15, row.label, width, 'start')
          : label(labels - 12, middle, row.label, labels - 12, 'end'),
        s('rect', { x: labels, y: barTop, width: length, height: barHeight, rx: 3, fill: 'currentColor' }),
        s('text', { x: labels + length + 8, y: middle }, words(row),
          !narrow && row.note && s('tspan', { class: 'small', dx: 8 }, row.note)),
        narrow && row.note && label(0, below, row.note, width, 'start', 'small'));
    });
    return [rows.length * height, marks];
  };
  const columns = [labelTitle, unit, ...(shareOf ? ['Share'] : []), ...(noted ? ['Note'] : [])];
  return chart({ title, finding, draw, columns, rows: rows.map(row => [{ text: row.label, href: row.href },
    { value: row.value, text: row.text ?? number(row.value) },
    ...(shareOf ? [{ value: row.value / shareOf, text: percent(row.value / shareOf) }] : []),
    ...(noted ? [row.note ?? ''] : [])]) });
}

/**
 * Lines over time; a null value is a gap. A series: `name`, `values`, and as wanted `low` and `high` (a band around it),
 * `tone`, `dashed`. `columns` are titles of the table of values; `stacked` puts areas upon each other.
 */
export function lines({ title, finding, labels, series, columns, unit = '', stacked = false, format = number }) {
  const sums = labels.map(() => 0);
  const layers = series.map(each => {
    if (!stacked) return { ...each, from: each.low, to: each.high, line: each.values };
    const from = [...sums];
    each.values.forEach((value, place) => { sums[place] += value ?? 0; });
    return { ...each, from, to: [...sums], line: [...sums] };
  });
  const all = layers.flatMap(each => [each.line, each.from ?? [], each.to ?? []]).flat().filter(value => value !== null);
  const draw = width => {
    const many = series.length > 1;
    const right = many ? Math.min(widest(series.map(each => each.name)), width * 0.32) + 14 : 12;
    const room = plot(width, labels, all, { unit, format, right });
    const { x, y } = room;
    const dashes = ({ dashed, tone }, place) => (dashed ? '5 4' : stacked || tone ? '' : DASHES[place % DASHES.length]);
    const drawn = layers.map((each, place) => s('g', { class: each.tone || hue(place) },
      each.from && each.to && s('path', {
        d: band(each.from, each.to, x, y), fill: 'currentColor', 'fill-opacity': stacked ? 0.35 : 0.15,
      }),
      s('path', {
        d: path(each.line, x, y), fill: 'none', stroke: 'currentColor', 'stroke-width': 2, 'stroke-linejoin': 'round',
        'stroke-dasharray': dashes(each, place) || null,
      }),
      each.line.map((value, at) => value !== null && (labels.length === 1 || lonely(each.line, at))
        && s('circle', { cx: x(at), cy: y(value), r: 3, fill: 'currentColor' }))));
    const ends = layers.map((each, place) => ({ each, place, y: y(middleOfEnd(each, stacked)) }));
    const names = many && spread(ends, room.top, room.bottom).map(({ each, place, y: at }) =>
      s('g', { class: each.tone || hue(place) },
        s('rect', { x: room.right + 4, y: at - 5, width: 3, height: 10, fill: 'currentColor' }),
        label(room.right + 11, at + 4, each.name, width - room.right - 11, 'start')));
    return [room.height, [room.axes, drawn, names, hints(room, labels, series, format)]];
  };
  return chart({ title, finding, draw, ...overTime(labels, series, columns, format) });
}

/** Vertical bars over time, upon each other; values below zero go down. A series: `name`, `values`, `tone`. */
export function columns({ title, finding, labels, series, unit = '', format = number }) {
  const add = (place, sign) => series.reduce((sum, each) => sum + Math.max(sign * (each.values[place] ?? 0), 0), 0);
  const all = labels.flatMap((_, place) => [add(place, 1), -add(place, -1)]);
  const draw = width => {
    const room = plot(width, labels, all, { unit, format, right: 12, legend: series.length > 1, inset: true });
    const { x, y } = room;
    const wide = Math.max(Math.min(room.step * 0.7, 36), 1);
    const sums = labels.map(() => [0, 0]);
    const drawn = series.map((each, place) => s('g', { class: each.tone || hue(place) }, each.values.map((value, at) => {
      if (!value) return null;
      const side = value > 0 ? 0 : 1;
      const before = sums[at][side];
      sums[at][side] += value;
      const [top, bottom] = [y(Math.max(before, before + value)), y(Math.min(before, before + value))];
      const height = Math.max(bottom - top, 1);
      return s('rect', { x: x(at) - wide / 2, y: top, width: wide, height, fill: 'currentColor' });
    })));
    let left = room.left;
    const legend = series.length > 1 && series.map((each, place) => {
      const group = s('g', { class: each.tone || hue(place) },
        s('rect', { x: left, y: 3, width: 10, height: 10, rx: 2, fill: 'currentColor' }),
        label(left + 15, 12, each.name, width - left - 15, 'start'));
      left += measure(each.name) + 34;
      return group;
    });
    return [room.height, [room.axes, drawn, legend, hints(room, labels, series, format)]];
  };
  return chart({ title, finding, draw, ...overTime(labels, series, null, format) });
}

/** A grid. A cell: `row` and `column` (places in `rows` and `columns`), `value`, `text`, `note`, `tone`, `href`. */
export function heat(options) {
  const { title, finding, rows, columns: across, cells, rowTitle = '', columnTitle = '', unit = 'Value' } = options;
  const most = Math.max(...cells.map(cell => cell.value), 0) || 1;
  const draw = width => {
    const left = Math.min(widest([...rows, rowTitle]), width * 0.26) + 8;
    const [wide, high, top] = [(width - left) / across.length, 57, 20];
    const marks = cells.map(cell => {
      const [x, y] = [left + cell.column * wide, top + cell.row * high];
      const words = cell.text ?? number(cell.value);
      const notes = cell.note && wide > 80 ? wrap(cell.note, wide - 8).slice(0, 2) : [];
      const said = `${rows[cell.row]}, ${across[cell.column]}: ${words}${cell.note ? `, ${cell.note}` : ''}`;
      return mark(cell.value ? cell.href : null, said, cell.tone || 'hue-1',
        s('rect', {
          x: x + 1.5, y: y + 1.5, width: wide - 3, height: high - 3, rx: 4, class: 'cell', fill: 'currentColor',
          'fill-opacity': cell.value ? (0.08 + 0.32 * Math.sqrt(cell.value / most)).toFixed(3) : 0,
        }),
        label(x + wide / 2, y + (notes.length ? 21 : 33), words, wide - 6, 'middle', cell.value ? 'strong' : 'small'),
        notes.map((text, at) =>
          label(x + wide / 2, y + (notes.length === 1 ? 41 : 36) + at * 14, text, wide - 8, 'middle', 'small')));
    });
    const bottom = top + rows.length * high;
    return [bottom + 2 * LINE + 6, [
      label(0, 12, rowTitle, width, 'start', 'small'),
      rows.map((text, place) => label(left - 8, top + place * high + high / 2 + 4, text, left - 8, 'end')),
      marks,
      across.map((text, place) => label(left + (place + 0.5) * wide, bottom + LINE, text, wide - 2, 'middle')),
      label(left + (width - left) / 2, bottom + 2 * LINE, columnTitle, width - left, 'middle', 'small')]];
  };
  const noted = cells.some(cell => cell.note);
  return chart({ title, finding, draw, columns: [rowTitle, columnTitle, unit, ...(noted ? ['Note'] : [])],
    rows: cells.map(cell => [rows[cell.row], across[cell.column],
      { value: cell.value, text: cell.text ?? number(cell.value), href: cell.value ? cell.href : null },
      ...(noted ? [cell.note ?? ''] : [])]) });
}

/**
 * How much went from which place to which. `from` and `to` are places: `key`, `label`, `tone`; links have the keys of
 * both, `value`, `text`, `href`. What is very thin is drawn without a link, and has it in the table.
 */
export function flows({ title, finding, from, to, links, unit = 'Customers', fromTitle = 'From', toTitle = 'To' }) {
  const total = links.reduce((sum, each) => sum + each.value, 0) || 1;
  const named = (side, key) => side.find(each => each.key === key)?.label ?? '';
  const words = each => each.text ?? number(each.value);
  const draw = width => {
    const narrow = width < NARROW;
    const [gap, top, bar] = [narrow ? 2 * LINE : LINE, narrow ? 32 : 26, 8];
    const most = Math.max(from.length, to.length);
    const high = Math.max(220, most * 24);
    const names = [...from, ...to].map(each => `${each.label}${narrow ? '' : ' 00,000'}`);
    const side = Math.min(widest(names), width * 0.32) + 8;
    const place = (nodes, end) => {
      let y = top + ((most - nodes.length) * gap) / 2;
      return new Map(nodes.map(node => {
        const sum = links.filter(each => each[end] === node.key).reduce((all, each) => all + each.value, 0);
        const placed = { ...node, sum, y, next: y, high: (sum / total) * high };
        y += placed.high + gap;
        return [node.key, placed];
      }));
    };
    const [starts, ends] = [place(from, 'from'), place(to, 'to')];
    const ordered = [...links].sort((a, b) =>
      starts.get(a.from).y - starts.get(b.from).y || ends.get(a.to).y - ends.get(b.to).y);
    const [x0, x1] = [side + bar, width - side - bar];
    const middle = (x0 + x1) / 2;
    const ribbons = ordered.map(each => {
      const [start, end, thick] = [starts.get(each.from), ends.get(each.to), (each.value / total) * high];
      const [a, b] = [start.next, end.next];
      start.next += thick;
      end.next += thick;
      const curve = (x, y, toX, toY) => `${x},${y}C${middle},${y} ${middle},${toY} ${toX},${toY}`;
      const shape = s('path', { fill: 'currentColor', 'fill-opacity': 0.3, class: 'ribbon',
        d: `M${curve(x0, a, x1, b)}L${curve(x1, b + thick, x0, a + thick)}Z` });
      const said = `${start.label} → ${end.label}: ${words(each)}`;
      return mark(each.value / total >= THIN ? each.href : null, said, start.tone || 'hue-1', shape);
    });
    const show = (placed, x, at, anchor) => [...placed.values()].map(node => s('g', { class: node.tone || 'hue-1' },
      s('rect', { x, y: node.y, width: bar, height: Math.max(node.high, 1), fill: 'currentColor' }),
      count(at, node.y + node.high / 2 + 4, node, side - 8, anchor, narrow)));
    return [top + high + (most - 1) * gap + 8, [
      label(0, 12, fromTitle, width / 2 - 4, 'start', 'small'),
      label(width, 12, toTitle, width / 2 - 4, 'end', 'small'),
      ribbons, show(starts, side, side - 6, 'end'), show(ends, x1, x1 + bar + 6, 'start')]];
  };
  return chart({ title, finding, draw, columns: [fromTitle, toTitle, unit], rows: links.map(each =>
    [named(from, each.from), named(to, each.to), { value: each.value, text: words(each), href: each.href }]) });
}

/** A small line for a cell of a table; the label says in words what it shows. */
export function spark(values, label) {
  const known = values.filter(value => value !== null);
  const [least, most] = [Math.min(...known), Math.max(...known)];
  const x = place => 2 + (place * 96) / Math.max(values.length - 1, 1);
  const y = value => (most === least ? 12 : 21 - ((value - least) * 18) / (most - least));
  const last = findLast(values);
  const frame = { viewBox: '0 0 100 24', width: 100, height: 24, role: 'img', 'aria-label': label };
  return s('svg', { ...frame, class: 'spark hue-1' },
    s('path', { d: path(values, x, y), fill: 'none', stroke: 'currentColor', 'stroke-width': 1.5 }),
    last >= 0 && s('circle', { cx: x(last), cy: y(values[last]), r: 2, fill: 'currentColor' }));
}

/** The figure around a drawing; `draw(width)` gives its height and what is in it. */
function chart({ title, finding, draw, columns: titles, rows }) {
  const cells = rows.map(row => row.map(cell => (cell === null || typeof cell !== 'object' ? { text: cell } : cell)));
  const linked = cells.some(row => row.some(cell => cell.href));
  const id = makeId('chart');
  const place = h('div', { class: 'drawing' });
  let shown = 0;
  const paint = width => {
    if (Math.abs(width - shown) < 1) return;
    shown = width;
    const [height, content] = draw(width);
    const focused = place.contains(document.activeElement) && document.activeElement.id;
    // What is in an image is not read out; a drawing with links is a group of them.
    fill(place, s('svg', { viewBox: `0 0 ${width} ${height}`, width, height, role: linked ? 'group' : 'img',
      'aria-label': `${title}${finding ? `: ${finding}` : ''}` }, content));
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  };
  paint(640);
  new ResizeObserver(([{ contentRect: { width } }]) => width && paint(Math.max(Math.floor(width), 220))).observe(place);
  const numeric = titles.map((_, at) => cells.some(row => typeof row[at].value === 'number'));
  const shownColumns = titles.map((each, at) => ({ title: each, number: numeric[at], cell: row => {
    const text = row[at].text ?? '–';
    return row[at].href ? h('a', { href: row[at].href }, name(text)) : numeric[at] ? text : name(text);
  } }));
  return h('figure', { class: 'chart', 'aria-labelledby': id },
    h('figcaption', null, h('h3', { id }, title), finding && h('p', { class: 'soft' }, finding)),
    place,
    h('div', { class: 'under' },
      h('details', { id: `values-${title.replaceAll(/\s+/g, '-')}` }, h('summary', null, 'Values as a table'),
        table(title, shownColumns, cells)),
      h('div', { class: 'actions' },
        saver('PNG', title, () => savePicture(title, finding, place.firstChild)),
        saver('CSV', title, () => saveValues(title, titles, cells)))));
}

const saver = (kind, title, work) =>
  button(`Save as ${kind}`, work, { kind: 'quiet', 'aria-label': `Save as ${kind}: ${title}` });

/** Something in a drawing whose title names it, and which is a link where it leads somewhere. */
function mark(href, said, tone, ...shapes) {
  return s(href ? 'a' : 'g', { class: tone, href, id: href && `mark-${href}` }, s('title', null, said), shapes);
}

let ruler = null;
/** How wide a text is in a drawing, in pixels. */
function measure(text) {
  ruler ??= document.createElement('canvas').getContext('2d');
  ruler.font = `12.5px ${getComputedStyle(document.body).fontFamily}`;
  return ruler.measureText(text).width;
}

const widest = texts => Math.max(...texts.map(measure), 0);
const hue = place => `hue-${(place % HUES) + 1}`;

/** A text that is cut where it is wider than its place; whole it is shown to who points at it. */
function label(x, y, text, width, anchor, kind = null) {
  const cut = fit(text, width);
  return s('text', { x, y, 'text-anchor': anchor, class: kind }, cut, cut !== text && s('title', null, text));
}

function fit(text, width) {
  if (measure(text) <= width) return text;
  const letters = [...text];
  while (letters.length && measure(`${letters.join('')}…`) > width) letters.pop();
  return `${letters.join('').trimEnd()}…`;
}

/** A name with its number, beside it or below it, of which only the name is cut. */
function count(x, y, { label: text, sum }, width, anchor, below) {
  const words = number(sum);
  const cut = fit(text, below ? width : width - measure(words) - 8);
  return s('text', { x, y: below ? y - LINE / 2 : y, 'text-anchor': anchor }, cut,
    s('tspan', { class: 'small', ...(below ? { x, dy: LINE - 2 } : { dx: 6 }) }, words),
    cut !== text && s('title', null, text));
}

/** Axes for values over labels: where a place and a value lie, and what is drawn of it. */
function plot(width, labels, values, { unit, format, right, legend = false, inset = false }) {
  const ticks = findTicks(Math.min(...values, 0), Math.max(...values, 0), values.every(Number.isInteger));
  const [low, high] = [ticks[0], ticks.at(-1)];
  const texts = ticks.map(tick => format(tick));
  const [top, height] = [(unit ? 24 : 8) + (legend ? 18 : 0), width < NARROW ? 240 : 320];
  const room = { left: widest(texts) + 8, right: width - right, top, height };
  room.bottom = room.height - 24;
  const across = room.right - room.left;
  room.step = across / Math.max(inset ? labels.length : labels.length - 1, 1);
  room.x = place => room.left + (labels.length === 1 ? across / 2 : (place + (inset ? 0.5 : 0)) * room.step);
  room.y = value => room.bottom - ((value - low) / (high - low)) * (room.bottom - room.top);
  const shown = labels.map(asDay);
  // Every so many days have their name, counted from the last, which is the one of interest.
  const half = widest(shown) / 2;
  const every = Math.max(Math.ceil((2 * half + 12) / room.step), 1);
  const end = labels.length - 1;
  const middle = at => Math.min(room.x(at), width - half);
  const isFree = at => room.x(at) >= half && middle(end) - room.x(at) > 2 * half + 8;
  const named = at => at === end || ((end - at) % every === 0 && isFree(at));
  const grid = tick => ({ x1: room.left, x2: room.right, y1: room.y(tick), y2: room.y(tick) });
  room.axes = [
    unit && label(0, room.top - 12, unit, width, 'start', 'small'),
    ticks.map((tick, at) => [
      s('line', { ...grid(tick), class: tick === 0 ? 'zero' : 'grid' }),
      s('text', { x: room.left - 8, y: room.y(tick) + 4, 'text-anchor': 'end', class: 'small' }, texts[at])]),
    shown.map((text, at) => named(at) && label(middle(at), room.height - 6, text, width, 'middle', 'small'))];
  return room;
}

/** Some five round numbers around both; whole ones where all values are. */
function findTicks(low, high, whole) {
  const rough = (high - low || 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max([1, 2, 5, 10].find(each => each * power >= rough) * power, whole ? 1 : 0);
  const first = Math.floor(low / step);
  const last = Math.max(Math.ceil(high / step), first + 1);
  return Array.from({ length: last - first + 1 }, (_, at) => Number(((first + at) * step).toPrecision(12)));
}

const asDay = text => (/^\d{4}-\d\d-\d\d$/.test(text) ? day(text) : text);

/** The line through the values that are known, with gaps where they are not. */
function path(values, x, y) {
  let open = false;
  return values.map((value, at) => {
    if (value === null) { open = false; return ''; }
    const step = `${open ? 'L' : 'M'}${x(at).toFixed(1)},${y(value).toFixed(1)}`;
    open = true;
    return step;
  }).join('');
}

/** The area between two lines, as far as both are known. */
function band(low, high, x, y) {
  const known = low.map((_, at) => at).filter(at => low[at] !== null && high[at] !== null);
  const point = values => at => `${x(at).toFixed(1)},${y(values[at]).toFixed(1)}`;
  return known.length ? `M${[...known.map(point(high)), ...[...known].reverse().map(point(low))].join('L')}Z` : '';
}

const lonely = (values, at) => (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null;

/** The place of the last value that is known, or -1. */
const findLast = values => values.reduce((last, value, at) => (value === null ? last : at), -1);

/** The value at which a line ends, or between which an area does. */
function middleOfEnd({ line, from }, stacked) {
  const last = findLast(line);
  if (last < 0) return 0;
  return stacked ? (line[last] + from[last]) / 2 : line[last];
}

/** Places below each other, moved so far that none covers another. */
function spread(items, top, bottom) {
  const sorted = [...items].sort((a, b) => a.y - b.y);
  sorted.forEach((item, at) => { item.y = Math.max(item.y, at ? sorted[at - 1].y + LINE - 2 : top); });
  sorted.reverse();
  sorted.forEach((item, at) => { item.y = Math.min(item.y, at ? sorted[at - 1].y - LINE + 2 : bottom); });
  return sorted;
}

/** All values of a place, for who points at it. */
function hints(room, labels, series, format) {
  const half = room.step / 2;
  const say = (each, at) => `${each.name}: ${each.values[at] === null ? '–' : format(each.values[at])}`;
  const height = room.bottom - room.top;
  return labels.map((text, at) => s('g', { class: 'hint' },
    s('title', null, [asDay(text), ...series.map(each => say(each, at))].join('\n')),
    s('rect', { x: room.x(at) - half, y: room.top, width: room.step, height, class: 'reach' }),
    s('line', { x1: room.x(at), x2: room.x(at), y1: room.top, y2: room.bottom, class: 'zero' })));
}

/** The table of values of series over labels. */
function overTime(labels, series, titles, format) {
  const bands = series.flatMap(each => [
    [each.name, each.values], [`${each.name}, low`, each.low], [`${each.name}, high`, each.high],
  ]).filter(([, values]) => values);
  const cell = value => (value === null ? { text: null } : { value, text: format(value) });
  return {
    columns: titles ?? ['Date', ...bands.map(([called]) => called)],
    rows: labels.map((text, at) => [{ text: asDay(text), raw: text }, ...bands.map(([, values]) => cell(values[at]))]),
  };
}

/** A file of the values: numbers as they are, and no text that a spreadsheet would take for a formula. */
function saveValues(title, titles, rows) {
  const write = text => {
    const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const cell = ({ value, raw, text }) => (value === undefined ? write(String(raw ?? text ?? '')) : String(value));
  const written = [titles.map(write), ...rows.map(row => row.map(cell))].map(row => `${row.join(',')}\r\n`);
  // The mark at the beginning tells Excel which encoding it is.
  save(`${title}.csv`, new Blob(['\ufeff', ...written], { type: 'text/csv' }));
}

/** A file of the drawing with its title, twice as fine as on the screen, in the colours that are seen. */
async function savePicture(title, finding, drawing) {
  const copy = drawing.cloneNode(true);
  const [seen, made] = [drawing, copy].map(each => [each, ...each.querySelectorAll('*')]);
  made.forEach((element, at) => {
    const style = getComputedStyle(seen[at]);
    for (const property of INLINED) element.setAttribute(property, style.getPropertyValue(property));
  });
  const { width, height } = drawing.viewBox.baseVal;
  const style = getComputedStyle(document.documentElement);
  const sentences = wrap(finding ?? '', width);
  const top = 30 + sentences.length * (LINE + 2);
  const text = new XMLSerializer().serializeToString(copy);
  const url = URL.createObjectURL(new Blob([text], { type: 'image/svg+xml' }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = h('canvas', { width: (width + 32) * 2, height: (height + top + 32) * 2 });
    const context = canvas.getContext('2d');
    context.scale(2, 2);
    context.fillStyle = style.getPropertyValue('--paper');
    context.fillRect(0, 0, canvas.width, canvas.height);
    const family = getComputedStyle(document.body).fontFamily;
    context.fillStyle = style.getPropertyValue('--ink');
    context.font = `600 15px ${family}`;
    context.fillText(title, 16, 30, width);
    context.font = `12.5px ${family}`;
    sentences.forEach((text, at) => context.fillText(text, 16, 50 + at * (LINE + 2)));
    context.drawImage(image, 16, top + 12, width, height);
    save(`${title}.png`, await new Promise(done => canvas.toBlob(done)));
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** A text in lines that are no wider than that. */
function wrap(text, width) {
  const made = [''];
  for (const word of text.split(' ')) {
    const longer = `${made.at(-1)} ${word}`.trim();
    if (made.at(-1) && measure(longer) > width) made.push(word);
    else made[made.length - 1] = longer;
  }
  return made.filter(Boolean);
}
