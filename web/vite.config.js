import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { defineConfig } from 'vite';

/**
 * Replaces each asset by its gzip form where that is smaller. The server keeps only this one form in its binary: it
 * sends it as it is to every browser, and unpacks it for the rare client that takes no gzip.
 */
function precompress() {
  return {
    name: 'precompress',
    apply: 'build',
    closeBundle() {
      const assets = join(import.meta.dirname, 'dist', 'assets');
      for (const name of readdirSync(assets)) {
        const path = join(assets, name);
        const packed = gzipSync(readFileSync(path), { level: 9 });
        if (packed.length >= statSync(path).size * 0.9) continue;
        writeFileSync(`${path}.gz`, packed);
        rmSync(path);
      }
    },
  };
}

/** `"use client"` is for servers that render React: meaningless here, and said a hundred times. */
function onwarn(warning, warn) {
  if (warning.code !== 'MODULE_LEVEL_DIRECTIVE') warn(warning);
}

export default defineConfig({
  plugins: [precompress()],
  esbuild: { jsx: 'automatic' },
  build: {
    target: 'es2022',
    // Monaco's editor core is one chunk of some megabytes; it comes from the same host and is cached for good.
    chunkSizeWarningLimit: 5000,
    // Assets stay files, which are cached one by one, and which the page's policy covers with 'self'.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rollupOptions: { onwarn },
  },
  // The workers of Monaco split off chunks of their own.
  worker: { format: 'es' },
  server: {
    proxy: { '/graphql': 'http://127.0.0.1:8080' },
    fs: { allow: ['..'] },
  },
});
