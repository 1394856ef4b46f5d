import { defineConfig } from '@playwright/test';
import config from './playwright.config.ts';

/** Makes the README's picture anew: `npm run picture`. */
export default defineConfig(config, { testMatch: 'picture.ts', reporter: 'list' });
