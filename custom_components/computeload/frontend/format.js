// Numbers, money and moments as the user has set Home Assistant up to show them.

const NUMBERS = {
  comma_decimal: ["en-US", "en"],
  decimal_comma: ["de", "es", "it"],
  quote_decimal: ["de-CH"],
  space_comma: ["fr", "sv", "cs"],
  none: ["en-US"],
  system: undefined,
};
const made = new Map();

/** Return a formatter; making one takes longer than using it. */
function formatter(kind, locale, options) {
  const key = JSON.stringify([kind.name, locale, options]);
  if (!made.has(key)) made.set(key, new kind(locale, options));
  return made.get(key);
}

/** Return a number with so many digits behind the point. */
export function number(hass, value, digits = 0, options = {}) {
  const format = hass.locale?.number_format;
  const locale = format in NUMBERS ? NUMBERS[format] : hass.locale?.language;
  const all = {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
    useGrouping: format !== "none",
    ...options,
  };
  // A rounded zero has no sign.
  const smallest = (options.style === "percent" ? 0.005 : 0.5) * 10 ** -digits;
  const clean = Math.abs(value) < smallest ? 0 : value;
  return formatter(Intl.NumberFormat, locale, all).format(clean);
}

const NOTHING = "–";
const known = (value, show) => (Number.isFinite(value) ? show(value) : NOTHING);

/** Return a power, W. */
export const kilowatts = (hass, watts) =>
  known(watts, (w) => `${number(hass, w / 1000, Math.abs(w) < 9950 ? 2 : 1)} kW`);

/** Return an energy, Wh. */
export const kilowattHours = (hass, wattHours) =>
  known(wattHours, (wh) => `${number(hass, wh / 1000, Math.abs(wh) < 99_500 ? 2 : 0)} kWh`);

/** Return a share, 0..1. */
export const percent = (hass, share) =>
  known(share, (s) => number(hass, s, 0, { style: "percent" }));

/** Return an amount in a currency, in whole cents or with the digits that are asked for. */
export const money = (hass, amount, currency, digits = 2) =>
  known(amount, (a) => number(hass, a, digits, { style: "currency", currency }));

/** Return a mass, g. */
export const kilograms = (hass, grams) => known(grams, (g) => `${number(hass, g / 1000, 1)} kg`);

/** Return a moment; `options` say which of its parts. */
function moment(hass, time, options) {
  const zone = hass.locale?.time_zone === "server" ? hass.config.time_zone : undefined;
  return formatter(Intl.DateTimeFormat, hass.locale?.language, { timeZone: zone, ...options }).format(time);
}

/** Return the time of the day. */
export function clock(hass, time) {
  const hour12 = { 12: true, 24: false }[hass.locale?.time_format];
  return moment(hass, time, { hour: "2-digit", minute: "2-digit", hour12 });
}

/** Return the day, and the time of it. */
export const dayAndClock = (hass, time) =>
  `${moment(hass, time, { weekday: "short", day: "numeric", month: "short" })}, ${clock(hass, time)}`;

/** Return the name of a weekday, 0 for Monday. */
export const weekday = (hass, index) =>
  // The first day of 2024 was a Monday.
  formatter(Intl.DateTimeFormat, hass.locale?.language, { weekday: "short", timeZone: "UTC" }).format(
    Date.UTC(2024, 0, 1 + index),
  );

/** Return the name of a month, YYYY-MM. */
export const month = (hass, label, style = "short") =>
  formatter(Intl.DateTimeFormat, hass.locale?.language, {
    month: style,
    year: style === "short" ? "2-digit" : "numeric",
    timeZone: "UTC",
  }).format(Date.parse(`${label}-01T00:00Z`));

/** Return a billing period: a month by its name, any other as it is. */
export const period = (hass, label) => (/^\d{4}-\d{2}$/.test(label) ? month(hass, label, "long") : label);

/** Return a span of seconds as minutes and seconds. */
export function countdown(seconds) {
  const left = Math.max(0, Math.round(seconds));
  return `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
}
