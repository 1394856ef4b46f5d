// Package blob keeps files: what is attached, and whatever else is too large for a row.
//
// # Where a file is
//
// Content is written under a scope, which is that of its data key (package seal): what one person wrote in one conversation. Its address is
// a keyed hash (HMAC) of the SHA-256 of the content, under a key derived from the scope's, and its path blobs/ab/cd/<address>. No part of a
// path comes from a user.
//
//   - The same content twice in one scope is one file, referred to twice.
//   - The same content in two scopes is two files. That is the price of erasing: whoever is erased takes their files along, and nobody
//     else's. It also keeps addresses silent: without the key nobody can tell, not even by trying, whether somebody had a known file.
//   - Destroying the scope's key makes the file unreadable in every copy of it, and then no address can be computed for the scope any more.
//
// # When a file is there
//
// Put streams to a temporary file, sealed chunk by chunk, and syncs it; it writes the row that knows the file; then it gives the file its
// name and syncs the folder. So there is never a file that no row knows, and whoever has the answer of Put has a file on disk. Put holds the
// file for a while (Options.Hold); Keep, in the caller's transaction, turns that into a reference of an owner. Unref ends one. What nobody
// refers to is removed by Collect, in the order: mark the row, remove the file, delete the row. A crash at any point leaves what Collect
// finishes; what a crash leaves among the temporary files goes at the next start.
//
// # What is in a file
//
//	8 bytes   magic and version
//	16 bytes  a random number that binds the rest together
//	n chunks  64 KiB of content each, the last one shorter, sealed (28 bytes more)
//	footer    size and SHA-256 of the content, sealed
//
// Each chunk opens only at its place in its file, and the footer says how many there are: a file that was changed, cut, or put in the place of
// another is found. A range is read by opening its chunks only.
package blob
