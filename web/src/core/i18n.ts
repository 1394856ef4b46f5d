import en from '../i18n/en.json';

/** Keys of the English texts; `key_one` and its like are reached by their stem through `count`. */
export type TextKey = keyof typeof en;
export type PluralKey = TextKey extends infer K ? (K extends `${infer Stem}_other` ? Stem : never) : never;
export type Texts = Partial<Record<string, string>>;
export type Values = Record<string, string | number>;

const rightToLeft = new Set(['ar', 'dv', 'fa', 'he', 'ku', 'ps', 'sd', 'ug', 'ur', 'yi']);

export function directionOf(lang: string): 'ltr' | 'rtl' {
  return rightToLeft.has(lang.split('-')[0]?.toLowerCase() ?? '') ? 'rtl' : 'ltr';
}

// Hebrew, Arabic and their extensions and presentation forms.
const rightToLeftLetters = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;

/** Puts a name of the other direction between marks that keep it from turning the words around it. */
function isolated(text: string, dir: 'ltr' | 'rtl'): string {
  return dir === 'rtl' || rightToLeftLetters.test(text) ? `\u2068${text}\u2069` : text;
}

/** The texts of one language with English behind them, and its way to write times and counts. */
export class I18n {
  readonly dir: 'ltr' | 'rtl';
  private readonly plurals: Intl.PluralRules;
  private readonly clock: Intl.DateTimeFormat;
  private readonly days: Intl.DateTimeFormat;
  private readonly shortDays: Intl.DateTimeFormat;
  private readonly numbers: Intl.NumberFormat;

  /** `texts` are the language's own, `overrides` those that an embedder sets. */
  constructor(
    readonly lang = 'en',
    private readonly texts: Texts = {},
    private readonly overrides: Texts = {},
  ) {
    this.dir = directionOf(lang);
    this.plurals = new Intl.PluralRules(lang);
    this.clock = new Intl.DateTimeFormat(lang, { hour: '2-digit', minute: '2-digit' });
    this.days = new Intl.DateTimeFormat(lang, { dateStyle: 'full' });
    this.shortDays = new Intl.DateTimeFormat(lang, { dateStyle: 'medium' });
    this.numbers = new Intl.NumberFormat(lang);
  }

  /** The text of `key` with `{name}` replaced from `values`. */
  t(key: TextKey, values: Values = {}): string {
    return this.fill(this.lookup(key) ?? key, values);
  }

  /** The plural form of `key` for `count`, which is also the value `{count}`. */
  count(key: PluralKey, count: number, values: Values = {}): string {
    const form = this.lookup(`${key}_${this.plurals.select(count)}`) ?? this.lookup(`${key}_other`);
    return this.fill(form ?? key, { count, ...values });
  }

  number(value: number): string {
    return this.numbers.format(value);
  }

  time(at: Date): string {
    return this.clock.format(at);
  }

  day(at: Date): string {
    return this.days.format(at);
  }

  shortDay(at: Date): string {
    return this.shortDays.format(at);
  }

  /** The size of a file, in the unit that fits. */
  bytes(count: number): string {
    const [unit, size] = count < 1000 ? ['byte', 1] : count < 1e6 ? ['kilobyte', 1e3] : ['megabyte', 1e6];
    const style = { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: unit === 'megabyte' ? 1 : 0 } as const;
    return new Intl.NumberFormat(this.lang, style).format(count / size);
  }

  private fill(pattern: string, values: Values): string {
    return pattern.replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = values[name];
      if (value === undefined) return whole;
      return typeof value === 'number' ? this.number(value) : isolated(value, this.dir);
    });
  }

  private lookup(key: string): string | undefined {
    return this.overrides[key] ?? this.texts[key] ?? (en as Texts)[key];
  }
}

const others = import.meta.glob<Texts>(['../i18n/*.json', '!../i18n/en.json'], { import: 'default' });
const codes = ['en', ...Object.keys(others).map((path) => path.replace(/^.*\/|\.json$/g, ''))].sort();

/** The languages that there are, each with its name in itself. */
export const languages: readonly { code: string; name: string }[] = codes.map((code) => ({
  code,
  name: new Intl.DisplayNames(code, { type: 'language' }).of(code) ?? code,
}));

/** The first of the wanted languages that there is, itself or as its parent (`ar-EG` -> `ar`), else English. */
export function availableLanguage(wanted: readonly string[]): string {
  for (const lang of wanted) {
    const found = codes.find((code) => code === lang.toLowerCase() || code === lang.split('-')[0]?.toLowerCase());
    if (found) return found;
  }
  return 'en';
}

/** Loads the texts of `lang`, or of its parent (`pt-BR` -> `pt`), or English. */
export async function loadLanguage(lang: string, overrides: Texts = {}): Promise<I18n> {
  for (const name of [lang, lang.split('-')[0] ?? lang]) {
    const load = others[`../i18n/${name}.json`];
    if (!load) continue;
    try {
      return new I18n(lang, await load(), overrides);
    } catch {
      // Out of reach: English is here already.
      return new I18n('en', {}, overrides);
    }
  }
  return new I18n(lang.startsWith('en') ? lang : 'en', {}, overrides);
}
