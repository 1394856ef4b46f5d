// Package audit keeps who did what: records in one chain, each with the hash of the one before it, written in the transaction of what they
// tell of. What was removed, changed, moved or cut off is found by Verify; the newest hash is anchored outside the store now and then, so that
// a chain that was cut at its end, or written anew as a whole, is found too.
//
// Records hold no content: a text or a file is in them as a hash under a secret salt of its stream. When the salt is gone, nobody can test a
// guess at the content against the hash, and the chain is still whole.
package audit
