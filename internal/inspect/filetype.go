package inspect

import (
	"path"
	"slices"
	"strings"

	"github.com/gabriel-vasile/mimetype"

	"careline/internal/errs"
)

// Head is how many bytes from the beginning of a file tell its type.
const Head = 3072

// Class is what a file is for.
type Class string

// The classes. A file of Other may be anything.
const (
	Image    Class = "image"
	Audio    Class = "audio"
	Video    Class = "video"
	Text     Class = "text"
	Document Class = "document"
	Archive  Class = "archive"
	Program  Class = "program"
	Font     Class = "font"
	Other    Class = "other"
)

// Type is what a file is.
type Type struct {
	MIME  string // without parameters, as "image/jpeg"
	Class Class

	all []string // MIME and those that it is a special case of
}

// unknown is the type of bytes that tell nothing.
const unknown = "application/octet-stream"

// Sniff tells the type of a file by its first Head bytes, or all if there are fewer.
func Sniff(head []byte) Type {
	var t Type
	for m := mimetype.Detect(head[:min(len(head), Head)]); m != nil; m = m.Parent() {
		t.all = append(t.all, bare(m.String()))
	}
	t.MIME = t.all[0]
	t.Class = classOf(t.MIME)
	for i := 1; i < len(t.all) && t.Class == Other; i++ {
		t.Class = classOf(t.all[i])
	}
	return t
}

// bare returns a MIME type in lower case and without parameters.
func bare(mime string) string {
	mime, _, _ = strings.Cut(mime, ";")
	return strings.ToLower(strings.TrimSpace(mime))
}

var programs = []string{
	"application/vnd.microsoft.portable-executable", "application/x-msdownload", "application/x-dosexec", "application/x-elf",
	"application/x-executable", "application/x-sharedlib", "application/x-object", "application/x-coredump", "application/x-mach-binary",
	"application/x-java-applet", "application/java-archive", "application/jar", "application/x-ms-installer", "application/x-msi",
	"application/x-ms-shortcut", "application/vnd.android.package-archive", "application/wasm", "application/x-sh", "text/x-shellscript",
	"application/x-msdos-program", "application/x-bat",
}

var archives = []string{
	"application/zip", "application/x-zip-compressed", "application/gzip", "application/x-gzip", "application/x-tar", "application/x-7z-compressed",
	"application/x-rar-compressed", "application/vnd.rar", "application/x-bzip2", "application/x-xz", "application/zstd", "application/lzip",
	"application/x-cpio", "application/vnd.ms-cab-compressed", "application/x-archive", "application/x-rpm", "application/vnd.debian.binary-package",
}

var documents = []string{
	"application/pdf", "application/rtf", "text/rtf", "application/msword", "application/epub+zip", "application/postscript", "application/x-ole-storage",
	"application/vnd.ms-outlook", "application/vnd.visio", "application/vnd.oasis.opendocument",
}

var texts = []string{
	"application/json", "application/xml", "application/javascript", "application/x-ndjson", "application/geo+json", "application/yaml", "application/x-yaml",
	"application/toml", "application/sql", "application/x-subrip", "application/gpx+xml", "application/vnd.google-earth.kml+xml", "image/svg+xml",
	"message/rfc822", "application/warc", "application/xhtml+xml", "application/atom+xml", "application/rss+xml", "model/gltf+json",
}

// classOf returns the class of a MIME type. Drawings of text (SVG) are text: they are shown as little as HTML is.
func classOf(mime string) Class {
	switch {
	case slices.Contains(programs, mime):
		return Program
	case slices.Contains(archives, mime):
		return Archive
	case slices.Contains(documents, mime), strings.HasPrefix(mime, "application/vnd.openxmlformats-officedocument."),
		strings.HasPrefix(mime, "application/vnd.ms-excel"), strings.HasPrefix(mime, "application/vnd.ms-word"), strings.HasPrefix(mime, "application/vnd.ms-powerpoint"),
		strings.HasPrefix(mime, "application/vnd.oasis.opendocument."):
		return Document
	case slices.Contains(texts, mime), strings.HasPrefix(mime, "text/"):
		return Text
	}
	kind, _, _ := strings.Cut(mime, "/")
	switch kind {
	case "image", "audio", "video", "font":
		return Class(kind)
	}
	return Other
}

// Deny says what is not accepted.
type Deny struct {
	Types      []string // MIME types, also of what is a special case of one, and classes, as "program"
	Extensions []string // of names, without the dot, in lower case
}

// DefaultDeny returns what is refused unless somebody decides otherwise: what runs when it is opened.
func DefaultDeny() Deny {
	return Deny{
		Types: []string{string(Program)},
		Extensions: []string{
			"ade", "adp", "apk", "app", "appx", "bat", "chm", "cmd", "com", "cpl", "dll", "dmg", "exe", "hta", "ins", "iso", "isp", "jar", "js", "jse",
			"lib", "lnk", "mde", "msc", "msi", "msix", "msp", "mst", "nsh", "pif", "ps1", "psm1", "reg", "scf", "scr", "sct", "sh", "sys", "url", "vb", "vbe",
			"vbs", "vhd", "vxd", "wsc", "wsf", "wsh", "xll",
		},
	}
}

var (
	// ErrDenied says that files of this type are not accepted.
	ErrDenied = errs.New(errs.Denied, "files of this type are not accepted")
	// ErrMismatch says that a file is not what it is declared to be.
	ErrMismatch = errs.New(errs.Invalid, "the file is not of the declared type")
)

// Check returns what a file is. name and declared (a MIME type) are what its sender says, and may be empty.
func Check(name, declared string, head []byte, deny Deny) (Type, error) {
	t := Sniff(head)
	declared = bare(declared)
	for _, d := range deny.Types {
		if Class(d) == t.Class || Class(d) == classOf(declared) || slices.Contains(t.all, d) || d == declared {
			return t, ErrDenied
		}
	}
	// Names on Windows end before trailing dots and spaces.
	if slices.Contains(deny.Extensions, strings.TrimPrefix(path.Ext(strings.TrimRight(strings.ToLower(name), ". ")), ".")) {
		return t, ErrDenied
	}
	if !agree(declared, t) {
		return t, ErrMismatch
	}
	return t, nil
}

// agree reports whether a declared type may be that of a file. Those that are told by more than Head bytes are taken by their container.
func agree(declared string, t Type) bool {
	if declared == "" || declared == unknown || slices.Contains(t.all[:len(t.all)-1], declared) {
		return true
	}
	said := classOf(declared)
	switch {
	case said == Other, said == t.Class:
		return true
	case t.MIME == unknown:
		return said != Image && said != Text
	case said == Document && (t.Class == Archive || t.MIME == "text/plain" && strings.Contains(declared, "rtf")):
		return true
	case said == Archive && t.Class == Document:
		return true
	}
	// Containers of both.
	return (said == Audio || said == Video) && (t.Class == Audio || t.Class == Video)
}
