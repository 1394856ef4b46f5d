// Package media holds RTP values and algorithms: parse, keep, order, rewrite. It does no I/O, starts no goroutine and
// knows no connection.
//
// The walk of a packet:
//
//  1. Intake.Put (intake.go) gets the decrypted bytes from the layer's reader and parses the header (header.go).
//  2. sequence.go extends its number; what is a duplicate, too old or an unconfirmed jump ends here, counted.
//  3. inspect.go asks the codec's file (vp8.go, vp9.go, h264.go, av1.go, red.go) for frame bounds, layers, keyframe.
//  4. arena.go copies payload and kept extensions into memory that is never written again.
//  5. Ring.put (ring.go) appends the Packet, by arrival and by number; nack.go lists the gaps, Intake.Nacks asks for them.
//  6. A worker's cursor finds it with Ring.At; no lock, no queue, the writer is never waited for.
//  7. Rewriter.Map (rewriter.go, span.go) gives it this viewer's number and timestamp, or Skip closes its gap.
//  8. Out.Payload (pictureid.go) rewrites VP8 picture ids into the worker's scratch, where they differ.
//  9. The viewer's NACK (feedback.go) goes back by Rewriter.Find, Ring.BySeq and Rewriter.Resend to the same bytes.
//  10. Sender reports (senderclock.go) tie RTP timestamps of layers and streams to one clock.
package media
