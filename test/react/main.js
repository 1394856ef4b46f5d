// An application as LiveKit's guide for React has it: nothing here knows Careline but the URL.
import '@livekit/components-styles';
import { LiveKitRoom, VideoConference } from '@livekit/components-react';
import { createElement } from 'react';
import { createRoot } from 'react-dom/client';

const given = new URLSearchParams(location.hash.slice(1));
const errors = (window.errors = []);

createRoot(document.getElementById('root')).render(
  createElement(
    LiveKitRoom,
    {
      serverUrl: given.get('url'),
      token: given.get('token'),
      connect: true,
      video: true,
      audio: true,
      style: { height: '100vh' },
      'data-lk-theme': 'default',
      onError: (error) => errors.push(String(error)),
      onMediaDeviceFailure: (failure, kind) => errors.push(`${failure} ${kind}`),
      onDisconnected: () => (document.body.dataset.left = 'yes'),
    },
    createElement(VideoConference),
  ),
);
