// Package inspect looks at files that somebody sent: what they are, whatever they say; what a picture tells beside the picture; and how it
// looks when small.
//
// # Types
//
// Sniff reads the first Head bytes. Check refuses what Deny names, and a file whose class is not that of its declared type: a program that
// says it is a picture. What is kept and sent out is always the sniffed type.
//
// # Pictures
//
// Strip rewrites JPEG, PNG, WebP and GIF byte by byte, without decoding: what makes the picture is copied as it is, so that it decodes to the
// same pixels, and only what is known to belong to the picture is copied. Gone are EXIF and XMP (place, time, camera, names), IPTC,
// comments, previews, makers' own segments, provenance manifests, and whatever follows the end of the picture, such as the video of a moving
// photo. Colour profiles stay. A picture that is to be turned says so in metadata: where that is not "as it is", a new block is written that
// holds nothing else.
//
// HEIC, AVIF, TIFF and other pictures are kept as they are, with their metadata and without a thumbnail; Picture.Rewritten says so.
//
// Nothing is decoded whose header says more than MaxPixels, or that would take more memory than a Thumbnailer has.
package inspect

// MaxPixels bounds width times height of a picture.
const MaxPixels = 50_000_000
