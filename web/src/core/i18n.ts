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

const fill = (pattern: string, values: Values): string =>
  pattern.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));

/** The texts of one language with English behind them, and its way to write times and counts. */
export class I18n {
  readonly dir: 'ltr' | 'rtl';
  private readonly plurals: Intl.PluralRules;
  private readonly clock: Intl.DateTimeFormat;

  /** `texts` are the language's own, `overrides` those that an embedder sets. */
  constructor(
    readonly lang = 'en',
    private readonly texts: Texts = {},
    private readonly overrides: Texts = {},
  ) {
    this.dir = directionOf(lang);
    this.plurals = new Intl.PluralRules(lang);
    this.clock = new Intl.DateTimeFormat(lang, { hour: '2-digit', minute: '2-digit' });
  }

  /** The text of `key` with `{name}` replaced from `values`. */
  t(key: TextKey, values: Values = {}): string {
    return fill(this.lookup(key) ?? key, values);
  }

  /** The plural form of `key` for `count`, which is also the value `{count}`. */
  count(key: PluralKey, count: number, values: Values = {}): string {
    const form = this.lookup(`${key}_${this.plurals.select(count)}`) ?? this.lookup(`${key}_other`);
    return fill(form ?? key, { count, ...values });
  }

  time(at: Date): string {
    return this.clock.format(at);
  }

  private lookup(key: string): string | undefined {
    return this.overrides[key] ?? this.texts[key] ?? (en as Texts)[key];
  }
}

const languages = import.meta.glob<Texts>(['../i18n/*.json', '!../i18n/en.json'], { import: 'default' });

/** Loads the texts of `lang`, or of its parent (`pt-BR` -> `pt`), or English. */
export async function loadLanguage(lang: string, overrides: Texts = {}): Promise<I18n> {
  for (const name of [lang, lang.split('-')[0] ?? lang]) {
    const load = languages[`../i18n/${name}.json`];
    if (load) return new I18n(lang, await load(), overrides);
  }
  return new I18n(lang.startsWith('en') ? lang : 'en', {}, overrides);
}
