import { describe, expect, it } from 'vitest';
import { I18n, availableLanguage, directionOf, languages, loadLanguage } from '../src/core/i18n';
import ar from '../src/i18n/ar.json';
import en from '../src/i18n/en.json';

describe('I18n', () => {
  it('fills in values and leaves unknown ones visible', () => {
    const i18n = new I18n('en', {}, { 'call.title': '{room} and {other}' });
    expect(i18n.t('call.title', { room: 'A' })).toBe('A and {other}');
  });

  it('chooses the plural form of its language', () => {
    const i18n = new I18n('en');
    expect(i18n.count('call.people', 1)).toBe('1 person');
    expect(i18n.count('call.people', 3)).toBe('3 people');
    const arabic = new I18n('ar', { 'call.people_two': 'two of them', 'call.people_other': '{count} of them' });
    expect(arabic.count('call.people', 2)).toBe('two of them');
    expect(arabic.count('call.people', 5)).toBe('5 of them');
  });

  it('falls back from overrides to the language to English', () => {
    const i18n = new I18n('fr', { 'call.waiting': 'Attendez' }, { 'control.leave': 'Go' });
    expect(i18n.t('control.leave')).toBe('Go');
    expect(i18n.t('call.waiting')).toBe('Attendez');
    expect(i18n.t('control.chat')).toBe('Chat');
  });

  it('knows the direction of languages', () => {
    expect([directionOf('en'), directionOf('ar'), directionOf('he-IL'), directionOf('FA'), directionOf('')]).toEqual([
      'ltr',
      'rtl',
      'rtl',
      'rtl',
      'ltr',
    ]);
  });

  it('speaks English, from left to right, where a language is missing', async () => {
    const i18n = await loadLanguage('xx-YY');
    expect([i18n.lang, i18n.dir, i18n.t('control.leave')]).toEqual(['en', 'ltr', 'Leave']);
    expect((await loadLanguage('en-GB')).lang).toBe('en-GB');
  });
});

describe('the choice of a language', () => {
  it('knows each by its own name', () => {
    expect(languages.map(({ code, name }) => [code, name])).toEqual([
      ['ar', '\u0627\u0644\u0639\u0631\u0628\u064a\u0629'],
      ['en', 'English'],
    ]);
  });

  it.each([
    [['ar'], 'ar'],
    [['AR-eg', 'en'], 'ar'],
    [['de-DE', 'ar-MA', 'en'], 'ar'],
    [['en-GB', 'ar'], 'en'],
    [['xx', ''], 'en'],
    [[], 'en'],
  ])('of %j is %s', (wanted, found) => {
    expect(availableLanguage(wanted)).toBe(found);
  });

  it('loads Arabic with its direction, its plural forms and names kept apart from its words', async () => {
    const arabic = await loadLanguage('ar');
    expect(arabic.dir).toBe('rtl');
    const forms = [0, 1, 2, 5, 11, 100].map((count) => arabic.count('call.people', count));
    expect(new Set(forms).size).toBe(6);
    expect(arabic.t('people.you', { name: 'Ana' })).toContain('\u2068Ana\u2069');
    expect(new I18n('en').t('people.you', { name: '\u062f\u0627\u0646\u0627' })).toBe('\u2068\u062f\u0627\u0646\u0627\u2069 (you)');
    expect(new I18n('en').t('people.you', { name: 'Ana' })).toBe('Ana (you)');
  });

  it('writes numbers as its language does', () => {
    expect([new I18n('en').number(1234), new I18n('ar-EG').number(12)]).toEqual(['1,234', '\u0661\u0662']);
  });
});

describe('the Arabic texts', () => {
  const texts = ar as Record<string, string>;
  const placeholders = (text: string): string[] => [...text.matchAll(/\{\w+\}/g)].map(([found]) => found).sort();
  const plural = /_(one|other)$/;
  // In the forms for none, one and two the words tell the number.
  const spelledOut = /_(zero|one|two)$/;

  it('are there for every English one, in all forms that the language has, and no more', () => {
    const forms = new Intl.PluralRules('ar').resolvedOptions().pluralCategories;
    const expected = Object.keys(en).flatMap((key) => {
      if (!plural.test(key)) return [key];
      return key.endsWith('_other') ? forms.map((form) => key.replace(plural, `_${form}`)) : [];
    });
    expect(Object.keys(texts).sort()).toEqual(expected.sort());
  });

  it('have the same places for values', () => {
    const different = Object.entries(texts).filter(([key, text]) => {
      const english = (en as Record<string, string>)[key] ?? (en as Record<string, string>)[key.replace(/_\w+$/, '_other')] ?? '';
      const wanted = placeholders(english).filter((p) => !(spelledOut.test(key) && p === '{count}'));
      return placeholders(text).join() !== wanted.join();
    });
    expect(different).toEqual([]);
  });

  it('are Arabic', () => {
    const foreign = Object.entries(texts).filter(([, text]) => !/[\u0600-\u06ff]/.test(text.replace(/\{\w+\}/g, '')));
    expect(foreign.map(([key]) => key)).toEqual(['call.title']);
  });
});

describe('the English texts', () => {
  const modules = import.meta.glob<string>('../src/**/*.ts', { query: '?raw', import: 'default', eager: true });
  const sources = Object.values(modules).join('\n');
  const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  // A template such as `ending.${kind}.title` names every key of its shape.
  const templates = [...sources.matchAll(/`([a-z-]+\.[^`\s]*\$\{[^`\s]*)`/g)].map(([, text]) => {
    const pieces = (text ?? '').split(/\$\{[^}]*\}+'?\}?/);
    return new RegExp(`^${pieces.map(escaped).join('.+')}`);
  });

  it('are all used', () => {
    expect(Object.keys(modules).length).toBeGreaterThan(20);
    const unused = Object.keys(en).filter((key) => {
      const stems = [key, key.replace(/_(one|other)$/, ''), key.replace(/\.(title|body)$/, '')];
      return !stems.some((stem) => sources.includes(`'${stem}'`)) && !templates.some((t) => t.test(key));
    });
    expect(unused).toEqual([]);
  });

  it('have no empty text', () => {
    expect(Object.entries(en).filter(([, text]) => !text.trim())).toEqual([]);
  });
});
