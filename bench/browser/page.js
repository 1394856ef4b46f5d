// Measures a call between two livekit-clients of one page, which so share one clock. bars.ts drives it through window.bars.
const { Room, RoomEvent, Track } = window.compat.lk;

const width = 640;
const height = 360;
const [columns, rows] = [8, 4]; // blocks of one bit: 24 of time, 8 of check
const check = (time) => (time ^ (time >> 8) ^ (time >> 16) ^ 0xa5) & 255;

/** A camera of 30 frames a second that shows the time at which each frame was painted, in tenths of a millisecond modulo 2^24. */
function startCamera() {
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const context = canvas.getContext('2d');
  document.body.append(canvas);
  const paint = () => {
    const time = Math.round(performance.now() * 10) & 0xffffff;
    const bits = time + check(time) * 2 ** 24;
    for (let bit = 0; bit < columns * rows; bit++) {
      context.fillStyle = Math.floor(bits / 2 ** bit) % 2 ? '#fff' : '#000';
      context.fillRect((bit % columns) * (width / columns), Math.floor(bit / columns) * (height / rows), width / columns, height / rows);
    }
  };
  paint();
  const timer = setInterval(paint, 1000 / 30);
  const [track] = canvas.captureStream().getVideoTracks();
  return {
    track,
    stop() {
      clearInterval(timer);
      track.stop();
      canvas.remove();
    },
  };
}

/** Calls back for each frame that the element presents, with the time painted into it, or undefined where it cannot be read. */
function watch(video, onFrame) {
  const canvas = Object.assign(document.createElement('canvas'), { width: 80, height: 40 });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  let over = false;
  const next = () => {
    const seen = performance.now();
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    let bits = 0;
    for (let bit = 0; bit < columns * rows; bit++) {
      const x = ((bit % columns) + 0.5) * (canvas.width / columns);
      const y = (Math.floor(bit / columns) + 0.5) * (canvas.height / rows);
      if (data[(Math.floor(y) * canvas.width + Math.floor(x)) * 4] > 127) bits += 2 ** bit;
    }
    const time = bits % 2 ** 24;
    const delay = ((Math.round(seen * 10) - time) & 0xffffff) / 10;
    onFrame(seen, Math.floor(bits / 2 ** 24) === check(time) ? delay : undefined);
    if (!over) video.requestVideoFrameCallback(next);
  };
  video.requestVideoFrameCallback(next);
  return () => (over = true);
}

/** Ends what would wait for ever, and says what it was. */
function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`${what} took longer than ${ms} ms`)), ms)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const quantile = (values, q) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))];

function element() {
  const video = Object.assign(document.createElement('video'), { muted: true, autoplay: true, playsInline: true, width, height });
  document.body.append(video);
  return video;
}

/** Delays of the frames that the element shows in so many milliseconds. */
async function delays(video, ms) {
  const found = [];
  let unread = 0;
  const stop = watch(video, (_, delay) => (delay === undefined ? unread++ : found.push(delay)));
  await wait(ms);
  stop();
  if (unread > found.length / 10) throw new Error(`${unread} frames unread, ${found.length} read`);
  return { median: quantile(found, 0.5), p95: quantile(found, 0.95), frames: found.length };
}

/** Waits until the element shows the whole picture, at the camera's size and rate. */
async function settled(video) {
  let widest = 0;
  const pictures = async () => {
    for (let steady = 0; steady < 15; ) {
      const at = performance.now();
      await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
      widest = Math.max(widest, video.videoWidth);
      steady = video.videoWidth === width && performance.now() - at < 150 ? steady + 1 : 0;
    }
  };
  try {
    await within(20_000, 'a steady picture', pictures());
  } catch (error) {
    throw new Error(`${error.message}; the widest had ${widest} pixels`);
  }
}

/** Shows whatever camera of others the room receives in one element. */
function show(room) {
  const video = element();
  room.on(RoomEvent.TrackSubscribed, (track) => {
    if (track.kind === Track.Kind.Video) track.attach(video);
  });
  return video;
}

const until = (room, event) => within(15_000, event, new Promise((resolve) => room.once(event, resolve)));

/** The longest time between two presented frames while `act` runs and until pictures flow again after it. */
async function gap(video, act) {
  let last;
  let longest = 0;
  let acted = false;
  let after = 0;
  let done;
  const flowing = new Promise((resolve) => (done = resolve));
  const stop = watch(video, (seen) => {
    if (last !== undefined) longest = Math.max(longest, seen - last);
    last = seen;
    if (acted && ++after >= 45) done();
  });
  await wait(500);
  await act();
  acted = true;
  await within(10_000, 'pictures after a reconnect', flowing);
  stop();
  return longest;
}

window.bars = {
  /** What pictures take between two bare peer connections, without a server. */
  async floor(ms) {
    const camera = startCamera();
    const [near, far] = [new RTCPeerConnection(), new RTCPeerConnection()];
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      from.onicecandidate = ({ candidate }) => candidate && to.addIceCandidate(candidate);
    }
    const video = element();
    far.ontrack = ({ track }) => (video.srcObject = new MediaStream([track]));
    near.addTrack(camera.track);
    await near.setLocalDescription();
    await far.setRemoteDescription(near.localDescription);
    await far.setLocalDescription();
    await near.setRemoteDescription(far.localDescription);
    await settled(video);
    const result = await delays(video, ms);
    near.close();
    far.close();
    camera.stop();
    video.remove();
    return result;
  },

  /** A call between two, and everything measured in it. */
  async call(url, tokens, options, ms) {
    const [sender, viewer] = [new Room(options), new Room(options)];
    const video = show(viewer);
    const camera = startCamera();
    await sender.connect(url, tokens.sender);
    await viewer.connect(url, tokens.viewer);
    const publish = () => sender.localParticipant.publishTrack(camera.track, { source: Track.Source.Camera, stopMicTrackOnMute: false });
    await publish();
    await settled(video);
    const glass = await delays(video, ms);

    const publication = sender.localParticipant.getTrackPublication(Track.Source.Camera);
    const mutes = [];
    for (let i = 0; i < 5; i++) {
      const muted = until(viewer, RoomEvent.TrackMuted);
      const started = performance.now();
      void publication.mute();
      await muted;
      mutes.push(performance.now() - started);
      const unmuted = until(viewer, RoomEvent.TrackUnmuted);
      await publication.unmute();
      await unmuted;
    }

    viewer.on(RoomEvent.DataReceived, (payload) => void viewer.localParticipant.publishData(payload, { reliable: true }));
    const trips = [];
    for (let i = 0; i < 50; i++) {
      const back = until(sender, RoomEvent.DataReceived);
      const started = performance.now();
      await sender.localParticipant.publishData(new TextEncoder().encode(`trip ${i}`), { reliable: true });
      await back;
      trips.push(performance.now() - started);
      await wait(10);
    }

    const reconnect = async (room, scenario) => {
      await settled(video);
      return gap(video, async () => {
        const reconnected = until(room, RoomEvent.Reconnected);
        await room.simulateScenario(scenario);
        await reconnected;
      });
    };
    const result = {
      glass,
      mute: quantile(mutes, 0.5),
      trip: quantile(trips, 0.5),
      // What the machine does to a picture by itself.
      quiet: await gap(video, () => wait(2500)),
      resumeViewer: await reconnect(viewer, 'signal-reconnect'),
      resumeSender: await reconnect(sender, 'signal-reconnect'),
      fullViewer: await reconnect(viewer, 'full-reconnect'),
      fullSender: await reconnect(sender, 'full-reconnect'),
    };
    await viewer.disconnect();
    await sender.disconnect();
    camera.stop();
    video.remove();
    return result;
  },

  /** Publishes the browser's camera, which needs no page in front. */
  async publish(url, token) {
    const room = new Room({ videoCaptureDefaults: { resolution: { width, height, frameRate: 30 } } });
    await room.connect(url, token);
    await room.localParticipant.setCameraEnabled(true);
  },

  /** Milliseconds from `connect` to the first frame shown. */
  async join(url, token, options) {
    const room = new Room(options);
    const video = show(room);
    const first = new Promise((resolve) => video.requestVideoFrameCallback(resolve));
    const started = performance.now();
    await room.connect(url, token);
    await first;
    const result = performance.now() - started;
    await room.disconnect();
    return result;
  },
};
