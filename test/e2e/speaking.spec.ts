import { mkdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, join, press, test } from './fixtures.ts';
import { flags } from './playwright.config.ts';

const rate = 48_000;

/** A WAV file of six seconds that sounds like somebody humming: harmonics of a voice that swells four times a second. */
function humming(): Buffer {
  const samples = Buffer.alloc(rate * 6 * 2);
  for (let i = 0; i < samples.length / 2; i++) {
    const time = i / rate;
    const pitch = 140 + 20 * Math.sin(2 * Math.PI * 0.5 * time);
    let sum = 0;
    for (let harmonic = 1; harmonic < 14; harmonic++) sum += Math.sin(2 * Math.PI * pitch * harmonic * time) / harmonic;
    const swell = 0.6 + 0.4 * Math.sin(2 * Math.PI * 4 * time);
    samples.writeInt16LE(Math.round(Math.max(-1, Math.min(1, sum * 0.3 * swell)) * 30_000), i * 2);
  }
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(36 + samples.length, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20); // PCM
  header.writeUInt16LE(1, 22); // one channel
  header.writeUInt32LE(rate, 24);
  header.writeUInt32LE(rate * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36);
  header.writeUInt32LE(samples.length, 40);
  return Buffer.concat([header, samples]);
}

const folder = resolve(import.meta.dirname, '../../test-results');
const voice = resolve(folder, 'voice.wav');
mkdirSync(folder, { recursive: true });
writeFileSync(voice, humming());

test.use({
  launchOptions: {
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: [...flags, `--use-file-for-fake-audio-capture=${voice}`],
  },
});

test('who speaks is shown, and no longer after the microphone is off', async ({ server, people }) => {
  const { links } = await server.call();
  const one = await people.person();
  const two = await people.person();
  await join(one, links[0].url);
  await join(two, links[1].url);
  const tile = one.locator('cl-stage cl-tile[data-identity="guest-2"]');
  await expect(tile).toHaveAttribute('speaking', '');
  await expect(tile.locator('[data-microphone=on]')).toHaveText('Speaking');
  await press(one, 'People');
  const listed = one.locator('cl-people-panel [data-identity="guest-2"]');
  await expect(listed).toContainText('Speaking');
  await press(two, 'Mic on');
  await expect(listed).toContainText('Microphone off');
  await expect(tile).not.toHaveAttribute('speaking', '');
  await expect(tile.locator('[data-microphone=muted]')).toHaveText('Microphone off');
});
