import type { Page } from '@playwright/test';
import { resolve } from 'node:path';
import { expect, join, mint, press, sizes, test } from './fixtures.ts';

interface Scene {
  wall: [string, string];
  skin: string;
  hair: string;
  shirt: string;
}

/** Puts a drawn person in place of the fake camera's green. */
function portray(page: Page, scene: Scene): Promise<unknown> {
  return page.addInitScript((scene: Scene) => {
    const original = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    const draw = (context: CanvasRenderingContext2D, at: number): void => {
      const wall = context.createLinearGradient(0, 0, 1280, 720);
      wall.addColorStop(0, scene.wall[0]);
      wall.addColorStop(1, scene.wall[1]);
      context.fillStyle = wall;
      context.fillRect(0, 0, 1280, 720);
      context.fillStyle = 'rgb(255 255 255 / 14%)';
      context.fillRect(90, 90, 260, 330);
      const shape = (color: string, x: number, y: number, rx: number, ry: number): void => {
        context.fillStyle = color;
        context.beginPath();
        context.ellipse(x, y, rx, ry, 0, 0, 2 * Math.PI);
        context.fill();
      };
      const sway = Math.sin(at / 900) * 6;
      shape(scene.hair, 640 + sway, 285, 142, 165);
      shape(scene.shirt, 640, 770, 330, 270);
      context.fillStyle = scene.skin;
      context.fillRect(590 + sway / 2, 400, 100, 130);
      shape(scene.skin, 640 + sway, 315, 112, 145);
      shape('rgb(40 30 28)', 600 + sway, 300, 9, 11);
      shape('rgb(40 30 28)', 680 + sway, 300, 9, 11);
      context.strokeStyle = 'rgb(120 50 45)';
      context.lineWidth = 8;
      context.lineCap = 'round';
      context.beginPath();
      context.arc(640 + sway, 345, 48, 0.25 * Math.PI, 0.75 * Math.PI);
      context.stroke();
      context.fillStyle = scene.hair;
      context.beginPath();
      context.ellipse(640 + sway, 215, 120, 62, 0, Math.PI, 2 * Math.PI);
      context.fill();
    };
    navigator.mediaDevices.getUserMedia = async (constraints) => {
      const stream = await original(constraints);
      const [camera] = stream.getVideoTracks();
      if (!camera) return stream;
      const canvas = document.createElement('canvas');
      canvas.width = 1280;
      canvas.height = 720;
      const context = canvas.getContext('2d');
      if (!context) return stream;
      setInterval(() => draw(context, performance.now()), 40);
      const [drawn] = canvas.captureStream(25).getVideoTracks();
      if (!drawn) return stream;
      stream.removeTrack(camera);
      camera.stop();
      stream.addTrack(drawn);
      return stream;
    };
  }, scene);
}

test('the picture of a call for the README', async ({ server, people }) => {
  const response = await fetch(`${server.url}/v1/calls`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${mint({ identity: '', room: '', video: { roomCreate: true } })}` },
    body: JSON.stringify({
      kind: 'direct',
      title: 'Missed train in Rome',
      participants: [
        { identity: 'sofia', name: 'Sofia, Careline' },
        { identity: 'jonas', name: 'Jonas' },
      ],
    }),
  });
  const { participants } = (await response.json()) as { participants: { token: string; participant: { identity: string } }[] };
  const link = (identity: string) => `${server.url}/call#token=${participants.find((p) => p.participant.identity === identity)?.token ?? ''}`;
  const helper = await people.person();
  await portray(helper, { wall: ['#5a7d8c', '#33505e'], skin: '#c98f6b', hair: '#2b2019', shirt: '#e8e2d6' });
  const traveller = await people.person({ viewport: { width: 1280, height: 760 }, deviceScaleFactor: 1.5 });
  await portray(traveller, { wall: ['#b98b5e', '#7a5636'], skin: '#f0c3a0', hair: '#7b4a21', shirt: '#2f5d8a' });
  await join(helper, link('sofia'));
  await join(traveller, link('jonas'));
  await expect(traveller.locator('cl-stage video')).toHaveCount(2);
  const say = async (page: Page, text: string) => {
    await page.getByRole('textbox', { name: 'Message' }).fill(text);
    await page.keyboard.press('Enter');
  };
  await press(traveller, 'Chat');
  await press(helper, 'Chat');
  await say(traveller, 'I missed the last train to Naples.');
  await expect(helper.getByText('I missed the last train')).toBeVisible();
  await say(helper, 'You are fine where you are. I booked you a room two minutes from the station: https://example.org/booking/1');
  await expect(traveller.getByRole('link', { name: /booking/ })).toBeVisible();
  await say(traveller, 'Thank you! I can see the hotel from here.');
  await expect(helper.getByText('I can see the hotel')).toBeVisible();
  await traveller.bringToFront();
  await expect
    .poll(() => traveller.locator('cl-stage video').first().evaluate((v) => (v as HTMLVideoElement).videoWidth))
    .toBeGreaterThanOrEqual(sizes.desk.width / 2);
  await traveller.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await traveller.screenshot({ path: resolve(import.meta.dirname, '../../docs/images/call.png') });
});
