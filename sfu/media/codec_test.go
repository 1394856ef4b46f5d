package media

import (
	"errors"
	"testing"
)

func TestParseCodec(t *testing.T) {
	for mime, want := range map[string]Codec{
		"audio/opus": CodecOpus, "AUDIO/OPUS": CodecOpus, "opus": CodecOpus, "audio/red": CodecRED, "RED": CodecRED,
		"video/VP8": CodecVP8, "vp8": CodecVP8, "video/vp9": CodecVP9, "Video/h264": CodecH264, "av1": CodecAV1, "video/AV1": CodecAV1,
		"": CodecUnknown, "/": CodecUnknown, "video/opus": CodecUnknown, "audio/VP8": CodecUnknown, "video/rtx": CodecUnknown, "video/": CodecUnknown, "opus ": CodecUnknown,
	} {
		if got := ParseCodec(mime); got != want {
			t.Errorf("ParseCodec(%q) = %v, want %v", mime, got, want)
		}
	}
	for c := CodecOpus; c < codecCount; c++ {
		if ParseCodec(c.MimeType()) != c {
			t.Errorf("%v does not survive its MIME type", c)
		}
		if video := c >= CodecVP8; video != (c.Kind() == KindVideo) || video != (c.ClockRate() == 90000) {
			t.Errorf("%v: kind %v, clock rate %d", c, c.Kind(), c.ClockRate())
		}
	}
	if CodecUnknown.ClockRate() != 0 || Codec(200).MimeType() != "" || Codec(200).ClockRate() != 0 {
		t.Error("unknown codecs have a clock rate or a name")
	}
}

func TestParseVP8(t *testing.T) {
	for _, tc := range []struct {
		name, bytes string
		want        VP8Descriptor
		bad         bool
	}{
		{name: "mandatory byte only", bytes: "10 00", want: VP8Descriptor{Start: true, Size: 1}},
		{name: "second partition", bytes: "03 77", want: VP8Descriptor{Partition: 3, Size: 1}},
		{name: "Chrome keyframe", bytes: "90 f0 c7 d2 31 05 10 02 00", want: VP8Descriptor{
			Start: true, HasPictureID: true, Wide: true, PictureID: 0x47d2, PictureIDOffset: 2, HasTL0PICIDX: true, TL0PICIDX: 0x31,
			TL0PICIDXOffset: 4, HasTID: true, HasKEYIDX: true, KEYIDX: 5, KEYIDXOffset: 5, Size: 6}},
		{name: "7-bit picture id", bytes: "90 80 7f 01", want: VP8Descriptor{Start: true, HasPictureID: true, PictureID: 0x7f, PictureIDOffset: 2, Size: 3}},
		{name: "temporal layer 2 with sync", bytes: "b0 e0 80 11 22 a0 01", want: VP8Descriptor{
			NonReference: true, Start: true, HasPictureID: true, Wide: true, PictureID: 0x11, PictureIDOffset: 2, HasTL0PICIDX: true,
			TL0PICIDX: 0x22, TL0PICIDXOffset: 4, HasTID: true, TID: 2, LayerSync: true, Size: 6}},
		{name: "KEYIDX alone", bytes: "80 10 1f 01", want: VP8Descriptor{HasKEYIDX: true, KEYIDX: 31, KEYIDXOffset: 2, Size: 3}},
		{name: "X without fields", bytes: "90 00 01", want: VP8Descriptor{Start: true, Size: 2}},
		{name: "empty", bad: true},
		{name: "X cut", bytes: "90", bad: true},
		{name: "picture id cut", bytes: "90 80", bad: true},
		{name: "wide picture id cut", bytes: "90 80 81", bad: true},
		{name: "TL0PICIDX cut", bytes: "90 c0 01", bad: true},
		{name: "TID cut", bytes: "90 e0 01 02", bad: true},
		{name: "no data", bytes: "90 80 01", bad: true},
	} {
		got, err := ParseVP8(unhex(t, tc.bytes))
		if tc.bad != errors.Is(err, ErrPayload) || got != tc.want {
			t.Errorf("%s: %+v, %v", tc.name, got, err)
		}
	}
}

func TestParseVP9(t *testing.T) {
	for _, tc := range []struct {
		name, bytes string
		size        int
		sid, tid    uint8
		key, bad    bool
	}{
		{name: "keyframe with structure, one layer", bytes: "8a 81 00 18 0140 00f0 01 00 82 49", size: 10, key: true},
		{name: "Chrome keyframe, no layers", bytes: "8b 81 23 10 05 00 02 d0 82 49", size: 8, key: true},
		{name: "keyframe with a picture group of two", bytes: "8a 81 23 08 02 04 01 24 01 82 49", size: 9, key: true},
		{name: "non-flexible base layer of a keyframe", bytes: "a8 80 01 00 07 99", size: 5, key: true},
		{name: "non-flexible layer 2 of a keyframe", bytes: "ac 80 01 05 07 99", size: 5, sid: 2},
		{name: "continuation of a keyframe", bytes: "a0 80 01 00 07 99", size: 5},
		{name: "flexible, one reference", bytes: "f8 80 05 20 02 99", size: 5, tid: 1},
		{name: "flexible, three references", bytes: "f8 80 05 42 03 05 02 99", size: 7, tid: 2, sid: 1},
		{name: "four references", bytes: "f8 80 05 42 03 05 03 02 99", bad: true},
		{name: "flexible without picture id", bytes: "70 20 02 99", bad: true},
		{name: "mandatory byte only", bytes: "0c 82", size: 1, key: true},
		{name: "empty", bad: true},
		{name: "picture id cut", bytes: "8c 80", bad: true},
		{name: "layers cut", bytes: "2c", bad: true},
		{name: "TL0PICIDX cut", bytes: "2c 00", bad: true},
		{name: "structure cut", bytes: "0a", bad: true},
		{name: "structure sizes cut", bytes: "0a 30 01 40 00", bad: true},
		{name: "structure group cut", bytes: "0a 08 02 04", bad: true},
		{name: "no data", bytes: "8c 05", bad: true},
	} {
		d, err := ParseVP9(unhex(t, tc.bytes))
		if tc.bad {
			if !errors.Is(err, ErrPayload) || d != (VP9Descriptor{}) {
				t.Errorf("%s: %+v, %v", tc.name, d, err)
			}
			continue
		}
		if err != nil || d.Size() != tc.size || d.SID != tc.sid || d.TID != tc.tid || d.Keyframe() != tc.key {
			t.Errorf("%s: %+v, %v", tc.name, d, err)
		}
	}
}

func TestParseH264(t *testing.T) {
	for _, tc := range []struct {
		name, bytes string
		want        H264Units
		bad         bool
	}{
		{name: "Chrome keyframe: STAP-A of SPS and PPS", bytes: "78 0004 6742c01f 0004 68ce3c80", want: H264Units{SPS: true, Start: true}},
		{name: "STAP-A of delimiter, SPS, PPS and IDR", bytes: "78 0002 09f0 0004 6742c01f 0004 68ce3c80 0003 658884", want: H264Units{SPS: true, IDR: true, Start: true}},
		{name: "SPS alone", bytes: "67 42c01f", want: H264Units{SPS: true, Start: true}},
		{name: "PPS alone", bytes: "68 ce3c80", want: H264Units{Start: true}},
		{name: "first slice of an IDR", bytes: "65 8884", want: H264Units{IDR: true, Start: true}},
		{name: "second slice of an IDR", bytes: "65 4084", want: H264Units{IDR: true}},
		{name: "first slice", bytes: "41 9a", want: H264Units{Start: true}},
		{name: "FU-A start of an IDR", bytes: "7c 85 88", want: H264Units{IDR: true, Start: true}},
		{name: "FU-A middle of an IDR", bytes: "7c 05 88"},
		{name: "FU-A end of an IDR", bytes: "7c 45 88"},
		{name: "FU-A start of an SPS", bytes: "7c 87 42", want: H264Units{SPS: true, Start: true}},
		{name: "FU-A start and end", bytes: "7c c5 88", bad: true},
		{name: "FU-A of an aggregate", bytes: "7c 98 88", bad: true},
		{name: "FU-A without data", bytes: "7c 85", bad: true},
		{name: "STAP-A empty", bytes: "78", bad: true},
		{name: "STAP-A size cut", bytes: "78 00", bad: true},
		{name: "STAP-A unit cut", bytes: "78 0005 6742c01f", bad: true},
		{name: "STAP-A unit of size 0", bytes: "78 0000 67", bad: true},
		{name: "STAP-A in STAP-A", bytes: "78 0002 7800", bad: true},
		{name: "STAP-B", bytes: "79 0000 0002 6742", bad: true},
		{name: "MTAP", bytes: "7a 00", bad: true},
		{name: "FU-B", bytes: "7d 85 0000 88", bad: true},
		{name: "type 0", bytes: "60 00", bad: true},
		{name: "empty", bad: true},
	} {
		got, err := ParseH264(unhex(t, tc.bytes))
		if tc.bad != errors.Is(err, ErrPayload) || got != tc.want {
			t.Errorf("%s: %+v, %v", tc.name, got, err)
		}
	}
}

func TestParseAV1(t *testing.T) {
	for _, tc := range []struct {
		name, bytes string
		want        AV1Units
		bad         bool
	}{
		{name: "keyframe: sequence header and frame", bytes: "28 03 0a0b00 30 00", want: AV1Units{NewSequence: true, SequenceHeader: true}},
		{name: "W=0, all with lengths", bytes: "08 03 0a0b00 02 3000", want: AV1Units{NewSequence: true, SequenceHeader: true}},
		{name: "frame of temporal 1, spatial 2", bytes: "10 34 30 00", want: AV1Units{HasLayers: true, Temporal: 1, Spatial: 2}},
		{name: "continuation, then a new OBU", bytes: "e0 02 ffff 34 28 00", want: AV1Units{Continues: true, Unfinished: true, HasLayers: true, Temporal: 1, Spatial: 1}},
		{name: "continuation that looks like a sequence header", bytes: "90 0a0b00", want: AV1Units{Continues: true}},
		{name: "two-byte length", bytes: "20 8100 30 34", want: AV1Units{}},
		{name: "N with Z", bytes: "98 0a0b", bad: true},
		{name: "element cut", bytes: "00 05 0a0b", bad: true},
		{name: "length cut", bytes: "00 80", bad: true},
		{name: "length of more than 32 bits", bytes: "00 ffffffffff01 00", bad: true},
		{name: "endless length", bytes: "00 ffffffffffffffffffff", bad: true},
		{name: "fewer elements than W", bytes: "30 02 3000", bad: true},
		{name: "aggregation header only", bytes: "10", bad: true},
		{name: "empty", bad: true},
	} {
		got, err := ParseAV1(unhex(t, tc.bytes))
		if tc.bad != errors.Is(err, ErrPayload) || got != tc.want {
			t.Errorf("%s: %+v, %v", tc.name, got, err)
		}
	}
}

func TestREDPrimary(t *testing.T) {
	for _, tc := range []struct {
		name, bytes, want string
		bad               bool
	}{
		{name: "primary only", bytes: "6f fc01", want: "fc01"},
		{name: "one redundant block", bytes: "ef 0f0002 6f aabb fc0102", want: "fc0102"},
		{name: "two redundant blocks, one empty", bytes: "ef 1e0001 ef 0f0000 6f aa fc", want: "fc"},
		{name: "ten bits of length", bytes: "ef 0f03ff 6f fc", bad: true},
		{name: "empty primary", bytes: "ef 0f0002 6f aabb", bad: true},
		{name: "header cut", bytes: "ef 0f00", bad: true},
		{name: "no primary header", bytes: "ef 0f0000", bad: true},
		{name: "primary header only", bytes: "6f", bad: true},
		{name: "empty", bad: true},
	} {
		got, err := REDPrimary(unhex(t, tc.bytes))
		if tc.bad != errors.Is(err, ErrPayload) || string(got) != string(unhex(t, tc.want)) {
			t.Errorf("%s: %x, %v", tc.name, got, err)
		}
	}
	many := make([]byte, 0, 200)
	for range redBlockLimit {
		many = append(many, 0xef, 0, 0, 0)
	}
	if _, err := REDPrimary(append(many, 0x6f, 1)); err == nil {
		t.Error("33 blocks accepted")
	}
}
