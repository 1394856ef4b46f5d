import type { ElementInfo, Room } from 'livekit-client';
import { describe, expect, it } from 'vitest';
import { Incoming } from '../src/core/incoming';

/** A picture as livekit-client has it, which writes down what is asked of it. */
function publication(source: string, size?: { width: number; height: number }) {
  const elements = new Set<ElementInfo>();
  const asked: number[] = [];
  return {
    asked,
    elements,
    source,
    dimensions: size,
    setVideoQuality: (quality: number) => void asked.push(quality),
    videoTrack: {
      observeElementInfo: (info: ElementInfo) => void elements.add(info),
      stopObservingElementInfo: (info: ElementInfo) => void elements.delete(info),
    },
  };
}

const roomWith = (...publications: object[]): Room => {
  const ana = { identity: 'ana', videoTrackPublications: new Map(publications.map((p, i) => [String(i), p])) };
  return { remoteParticipants: new Map([['ana', ana]]) } as unknown as Room;
};

const [low, medium, high] = [0, 1, 2];

describe('Incoming', () => {
  it('asks for what was chosen for this person and this picture only', () => {
    const incoming = new Incoming();
    const camera = publication('camera');
    const screen = publication('screen_share');
    incoming.choose('ana', 'camera', 'low');
    incoming.apply(roomWith(camera, screen));
    expect([camera.asked, screen.asked]).toEqual([[low], [high]]);
    incoming.choose('ana', 'camera', 'medium');
    incoming.choose('ben', 'screen', 'low');
    incoming.apply(roomWith(camera, screen));
    expect([camera.asked, screen.asked]).toEqual([
      [low, medium],
      [high, high],
    ]);
    expect([incoming.choice('ana', 'camera'), incoming.choice('ana', 'screen')]).toEqual(['medium', 'auto']);
  });

  it('asks for the full size of a picture wanted high, without making it visible, until that ends', () => {
    const incoming = new Incoming();
    const camera = publication('camera', { width: 1280, height: 720 });
    const room = roomWith(camera);
    incoming.choose('ana', 'camera', 'high');
    incoming.apply(room);
    incoming.apply(room);
    const [element] = camera.elements;
    expect(camera.elements.size).toBe(1);
    expect([element?.width(), element?.height(), element?.visible]).toEqual([1280, 720, false]);
    incoming.choose('ana', 'camera', 'auto');
    incoming.apply(room);
    expect(camera.elements.size).toBe(0);
  });

  it('asks for the largest where no size was told', () => {
    const incoming = new Incoming();
    const camera = publication('camera');
    incoming.choose('ana', 'camera', 'high');
    incoming.apply(roomWith(camera));
    const [element] = camera.elements;
    expect(element?.width()).toBeGreaterThanOrEqual(1920);
  });

  it('keeps a choice for the tracks that come after a reconnect', () => {
    const incoming = new Incoming();
    incoming.choose('ana', 'camera', 'low');
    incoming.apply(roomWith(publication('camera')));
    const again = publication('camera');
    incoming.apply(roomWith(again));
    expect(again.asked).toEqual([low]);
  });

  it('saves data with pictures of people, but not with screens or where something was chosen', () => {
    const incoming = new Incoming();
    incoming.savingData = true;
    const camera = publication('camera');
    const screen = publication('screen_share');
    incoming.apply(roomWith(camera, screen));
    incoming.choose('ana', 'camera', 'high');
    incoming.apply(roomWith(camera, screen));
    incoming.savingData = false;
    incoming.choose('ana', 'camera', 'auto');
    incoming.apply(roomWith(camera, screen));
    expect([camera.asked, screen.asked]).toEqual([
      [low, high, high],
      [high, high, high],
    ]);
  });

  it('waits for tracks that have not arrived', () => {
    const camera = { ...publication('camera'), videoTrack: undefined };
    new Incoming().apply(roomWith(camera));
    expect(camera.asked).toEqual([]);
  });
});
