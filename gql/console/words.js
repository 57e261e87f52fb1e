// Numbers, money and time in words. Amounts come as exact decimal texts and are never made binary numbers on the way;
// instants are shown in the business's time zone, days as the days that they are.

let business = { currency: 'EUR', timeZone: 'UTC', settings: {} };

/** Whose currency and time zone everything is shown in. */
export function useBusiness(viewed) {
  business = viewed;
}

const language = () => navigator.language || 'en';
const digits = count => new Intl.NumberFormat(language(), { minimumFractionDigits: count, maximumFractionDigits: count });

export const number = value => (value === null || value === undefined ? '–' : new Intl.NumberFormat(language()).format(value));
export const decimal = (value, count = 1) => (value === null || value === undefined ? '–' : digits(count).format(value));
export const percent = (share, count = 1) => (share === null || share === undefined ? '–' : `${digits(count).format(share * 100)} %`);

/** An amount with its currency, to the minor unit. */
export function money(amount) {
  if (amount === null || amount === undefined) return '–';
  return `${digits((amount.split('.')[1] ?? '').length).format(amount)} ${currency()}`;
}

/** An amount in few letters, for axes and small places: 12.4K. */
export const shortMoney = amount =>
  new Intl.NumberFormat(language(), { notation: 'compact', maximumSignificantDigits: 3 }).format(amount);

/** What stands beside amounts: the sign that the business has set, or the code of its currency. */
export const currency = () => business.settings?.brand?.currency ?? business.currency;

/** "1 customer", "2 customers". */
export const count = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

/** A day, such as 2026-11-30, as people write it. */
export function day(text) {
  if (!text) return '–';
  return new Intl.DateTimeFormat(language(), { dateStyle: 'medium', timeZone: 'UTC' }).format(new Date(`${text}T00:00:00Z`));
}

/** An instant in the business's time zone. */
export function instant(text) {
  if (!text) return '–';
  const style = { dateStyle: 'medium', timeStyle: 'short', timeZone: business.timeZone };
  return new Intl.DateTimeFormat(language(), style).format(new Date(text));
}

/** The day of an instant in the business's time zone, as 2026-11-30. */
export const dayOf = moment => new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeZone: business.timeZone }).format(new Date(moment));

/** The business's today, and the day so many days before it. */
export const today = () => dayOf(Date.now());
export const addDays = (text, days) => new Date(Date.parse(`${text}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);

/** How long ago an instant is, or how long it will take. */
export function ago(text) {
  if (!text) return '–';
  const seconds = (Date.parse(text) - Date.now()) / 1000;
  const format = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
  for (const [unit, length] of [['day', 86_400], ['hour', 3600], ['minute', 60]]) {
    if (Math.abs(seconds) >= length) return format.format(Math.trunc(seconds / length), unit);
  }
  return seconds <= 0 ? 'just now' : 'in a moment';
}

/** A name of the schema, such as AT_RISK, for people: At risk. */
export function title(text) {
  const words = text.replaceAll('_', ' ').toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** By how much a number changed against an earlier one: [text, direction -1, 0 or 1]; none without an earlier one. */
export function difference(now, before) {
  if (before === null || before === undefined) return ['no earlier window to compare with', 0];
  const [here, there] = [Number(now), Number(before)];
  if (here === there) return ['as before', 0];
  const direction = here > there ? 1 : -1;
  const share = there ? ` ${percent(Math.abs(here - there) / Math.abs(there))}` : '';
  return [`${direction > 0 ? '▲' : '▼'}${share} against the window before`, direction];
}
