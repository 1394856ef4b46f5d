import type { Trouble } from '../client';
import type { TextKey } from '../i18n';

const byCode: Partial<Record<string, TextKey>> = {
  'conversation-closed': 'thread.failed.closed',
  'too-large': 'thread.failed.tooLarge',
  'unsupported-media-type': 'thread.failed.type',
  'revision-mismatch': 'thread.failed.changed',
};

const byTrouble: Record<Trouble, TextKey> = {
  unreachable: 'thread.failed.unreachable',
  busy: 'thread.failed.busy',
  expired: 'thread.failed.expired',
  forbidden: 'thread.failed.forbidden',
  gone: 'thread.failed.gone',
  failed: 'thread.failed.failed',
};

/** The text that says why something did not reach the conversation. */
export function failureOf(trouble: Trouble | undefined, code = ''): TextKey {
  return byCode[code] ?? byTrouble[trouble ?? 'failed'];
}
