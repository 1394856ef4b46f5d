// Package search finds documents by their words. It knows documents, not chat: whoever owns messages, recordings or transcripts says what a
// document is and who may find it.
//
// The index holds terms and positions, never a text: snippets come from the message itself. It is a copy that can be lost: an index that is
// damaged is put aside and built again from the source while queries are answered, with what is there already, as partial.
//
// Rights are never taken from the index alone. The access tokens of a document narrow a query down, and may be old: the hits of each page pass
// Query.Visible, in which the caller asks the store.
package search
