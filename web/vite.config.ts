import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

const here = import.meta.dirname;
const out = resolve(here, 'dist');

/** Writes every character above ASCII as an escape, so that no server's charset header can damage a bundle. */
function asciiOnly(): Plugin {
  return {
    name: 'careline-ascii-only',
    generateBundle(_options, bundle) {
      for (const file of Object.values(bundle)) {
        if (file.type !== 'chunk') continue;
        file.code = file.code.replace(/[\u0080-\uffff]/g, (c) => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
      }
    },
  };
}

/** Stores a gzip and a brotli variant beside each text file; the Go package `web` negotiates between them. */
function compressed(): Plugin {
  return {
    name: 'careline-compressed',
    apply: 'build',
    closeBundle() {
      for (const entry of readdirSync(out, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !/\.(js|css|html|svg|json)$/.test(entry.name)) continue;
        const path = join(entry.parentPath, entry.name);
        const body = readFileSync(path);
        if (body.length < 512) continue;
        writeFileSync(path + '.gz', gzipSync(body, { level: 9 }));
        writeFileSync(path + '.br', brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
      }
    },
  };
}

/** Lists the packages whose code is in the pages: their licences have to be handed on. */
function bundledPackages(): Plugin {
  return {
    name: 'careline-bundled-packages',
    generateBundle(_options, bundle) {
      const names = new Set<string>();
      for (const file of Object.values(bundle)) {
        if (file.type !== 'chunk') continue;
        for (const id of Object.keys(file.modules)) {
          const name = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(id)?.[1];
          if (name) names.add(name);
        }
      }
      this.emitFile({ type: 'asset', fileName: 'packages.json', source: JSON.stringify([...names].sort()) });
    },
  };
}

/** Empties the output folder but keeps the tracked README, which lets the Go package compile in a fresh clone. */
function keepReadme(): Plugin {
  const readme = join(out, 'README');
  let text: Buffer | undefined;
  return {
    name: 'careline-keep-readme',
    apply: 'build',
    enforce: 'pre',
    buildStart() {
      text ??= readFileSync(readme);
    },
    closeBundle() {
      if (text) writeFileSync(readme, text);
    },
  };
}

export default defineConfig({
  root: resolve(here, 'src/pages'),
  base: '/',
  plugins: [keepReadme(), asciiOnly(), bundledPackages(), compressed()],
  build: {
    outDir: out,
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
    rolldownOptions: {
      input: {
        call: resolve(here, 'src/elements/careline-call.ts'),
        chat: resolve(here, 'src/elements/careline-chat.ts'),
        'call-page': resolve(here, 'src/pages/call.html'),
        'chat-page': resolve(here, 'src/pages/chat.html'),
        'start-page': resolve(here, 'src/pages/index.html'),
      },
      output: {
        // Entries keep their names, because pages of other sites refer to them; all the rest carries its hash.
        entryFileNames: 'assets/[name].js',
        chunkFileNames: 'assets/immutable/[name]-[hash].js',
        assetFileNames: 'assets/immutable/[name]-[hash][extname]',
      },
    },
  },
  test: {
    root: here,
    include: ['test/**/*.test.ts'],
    environment: 'node',
  },
});
