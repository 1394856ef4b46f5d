// Package web holds the pages that people open and serves them.
//
// The TypeScript sources live in src and are built into dist by `make web`; dist is embedded into the binary. A clone
// that was never built still compiles: then the package serves plain texts that say how to build the pages.
//
//	request -> Handler -> route (/, /call, /assets/...)
//	        -> pages.page: from the embedded files, read once, or from Options.Dir, read each time
//	        -> negotiate: br, gzip or as it is
//	        -> respond: validators, caching and security headers
package web
