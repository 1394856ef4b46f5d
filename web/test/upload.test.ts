import { describe, expect, it, vi } from 'vitest';
import { Refused } from '../src/core/client';
import type { ThreadServer } from '../src/core/thread/api';
import { locate } from '../src/core/thread/locate';
import { Upload } from '../src/core/thread/upload';

const file = new File([new Uint8Array(2_500_000)], 'trip.jpg', { type: 'image/jpeg' });

/** Takes files; `breaks` are the numbers of requests for pieces that break, after half of the piece was taken. */
function receiver(breaks: number[] = []) {
  let has = 0;
  let pieces = 0;
  const upload = () => ({ id: 'u1', conversation_id: 'c', size: file.size, offset: has, expires_at: '' });
  const attachment = { id: 'u1', name: 'trip.jpg', type: 'image/jpeg', size: file.size, sha256: '' };
  const api = {
    beginUpload: vi.fn(() => Promise.resolve(upload())),
    upload: vi.fn(() => Promise.resolve(upload())),
    appendUpload: vi.fn((_id: string, offset: number, bytes: Blob) => {
      expect(offset).toBe(has);
      if (breaks.includes(++pieces)) {
        has += Math.floor(bytes.size / 2);
        return Promise.reject(new Refused('sending', 'unreachable'));
      }
      has += bytes.size;
      return Promise.resolve(upload());
    }),
    finishUpload: vi.fn(() => Promise.resolve(attachment)),
    cancelUpload: vi.fn(() => Promise.resolve()),
  };
  return { api: api satisfies Partial<ThreadServer>, attachment };
}

const noPause = () => Promise.resolve();

describe('Upload', () => {
  it('sends a file in pieces and tells how far it is', async () => {
    const { api, attachment } = receiver();
    const upload = new Upload(file, api, noPause);
    const seen: number[] = [];
    upload.watch(() => seen.push(upload.sent));
    await upload.run();
    expect([upload.state, upload.attachment]).toEqual(['done', attachment]);
    expect(api.appendUpload).toHaveBeenCalledTimes(3);
    expect(seen).toContain(1 << 20);
  });

  it('goes on where the server is after a break', async () => {
    const { api } = receiver([2, 3]);
    const upload = new Upload(file, api, noPause);
    await upload.run();
    expect(upload.state).toBe('done');
    expect(api.beginUpload).toHaveBeenCalledTimes(1);
    expect(api.upload).toHaveBeenCalledTimes(2);
  });

  it('fails after some attempts, and goes on when it is asked to', async () => {
    const { api } = receiver(Array.from({ length: 6 }, (_, n) => n + 1));
    const upload = new Upload(file, api, noPause);
    await upload.run();
    expect([upload.state, upload.trouble]).toEqual(['failed', 'unreachable']);
    await upload.run();
    expect(upload.state).toBe('done');
  });

  it('does not insist when the server refuses', async () => {
    const { api } = receiver();
    api.beginUpload.mockRejectedValue(new Refused('beginning', 'failed', { code: 'too-large' }));
    const upload = new Upload(file, api, noPause);
    await upload.run();
    expect([upload.state, upload.code]).toEqual(['failed', 'too-large']);
    expect(api.beginUpload).toHaveBeenCalledTimes(1);
  });

  it('can be given up', async () => {
    const { api } = receiver();
    const upload = new Upload(file, api, noPause);
    const running = upload.run();
    await Promise.resolve();
    upload.cancel();
    await running;
    expect(upload.state).toBe('failed');
    expect(api.finishUpload).not.toHaveBeenCalled();
  });
});

describe('locate', () => {
  const asking = (answer: (yes: PositionCallback, no: PositionErrorCallback) => void) =>
    locate({ getCurrentPosition: (yes: PositionCallback, no: PositionErrorCallback) => answer(yes, no) } as unknown as Geolocation);

  it('tells the place, or why there is none', async () => {
    const coords = { latitude: -12.05, longitude: -77.04, accuracy: 20 };
    expect(await asking((yes) => yes({ coords } as GeolocationPosition))).toEqual({ lat: -12.05, lon: -77.04, accuracy: 20 });
    expect(await asking((_yes, no) => no({ code: 1 } as GeolocationPositionError))).toBe('denied');
    expect(await asking((_yes, no) => no({ code: 9 } as GeolocationPositionError))).toBe('unavailable');
    expect(await locate(undefined)).toBe('unavailable');
  });
});
