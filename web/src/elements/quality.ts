import type { IconNode } from 'lucide';
import { SignalHigh, SignalLow, SignalMedium, SignalZero } from 'lucide';
import type { Quality } from '../core/people';

/** A shape for each quality that is known; its words stand beside it or are read out. */
export const qualityIcons: Record<Exclude<Quality, 'unknown'>, IconNode> = {
  excellent: SignalHigh,
  good: SignalMedium,
  poor: SignalLow,
  lost: SignalZero,
};
