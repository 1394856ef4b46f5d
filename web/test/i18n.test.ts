import { describe, expect, it } from 'vitest';
import { I18n, directionOf, loadLanguage } from '../src/core/i18n';
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
