import { resolve } from 'node:path';
import { defineConfig } from 'vite';

// Beside the other results of the tests: this page is never shipped.
export default defineConfig({
  build: { outDir: resolve(import.meta.dirname, '../../test-results/react-page'), emptyOutDir: true, chunkSizeWarningLimit: 2000 },
});
