// Package attachment takes files from people, piece by piece, and keeps them for messages.
//
// # Uploads
//
// An Upload is begun with its length, appended to at its offset, and finished. Each piece is on disk, sealed, before its offset is answered: an
// upload goes on after a lost connection and after a restart of the server, from the offset that Offset tells. What is not finished, and what
// is finished and not attached to a message, ends after Limits.Life. Each person has so many uploads and bytes under way, not more.
//
// # What is done to a file
//
// Finish tells its type by its bytes and refuses what it is not to be (package inspect). Pictures lose their metadata, or keep it, or keep the
// untouched file aside, by Policy; formats that are not rewritten (HEIC among them) stay as they are, and File.Metadata says so. It makes
// a thumbnail where it can. Then the file waits for the scanner, if there is one, and until that has spoken only who sent it may read it; a
// file that was found to be infected nobody may read.
//
// # Messages
//
// Attach ties a file to a message, in the message's transaction, and Detach unties it: without a message left the file goes. Name, hash and
// what else tells of the content are sealed under the key of who sent it, in a row as in the file: Erase and the end of that key end both.
package attachment
