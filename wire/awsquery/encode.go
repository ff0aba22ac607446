package awsquery

import (
	"bytes"
	"fmt"
	"reflect"
	"strconv"
	"time"
)

// ContentType is the type of every answer.
const ContentType = "text/xml"

// EncodeResult returns the XML answer of an operation. out is a pointer to its
// output struct; anything else is an error (a mistake of the caller's).
//
// Nil pointers and empty enums are left out. A nil list that stands directly in
// the result is sent empty, as AWS does; within a structure a nil list is left out
// ("not asked for") and an empty one that is not nil is sent.
func EncodeResult(op *Operation, out any, requestID string) ([]byte, error) {
	v := reflect.ValueOf(out)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Type().Elem() != op.output.typ {
		return nil, fmt.Errorf("awsquery: result of %s is %T, not *%v", op.name, out, op.output.typ)
	}
	var b bytes.Buffer
	b.WriteString("<" + op.name + `Response xmlns="`)
	text(&b, op.service.xmlns)
	b.WriteString("\">\n")
	if !op.noResult {
		b.WriteString("<" + op.name + "Result>")
		encodeStruct(&b, op.output, v.Elem(), true)
		b.WriteString("</" + op.name + "Result>\n")
	}
	b.WriteString("<ResponseMetadata><RequestId>")
	text(&b, requestID)
	b.WriteString("</RequestId></ResponseMetadata>\n</" + op.name + "Response>\n")
	return b.Bytes(), nil
}

func encodeStruct(b *bytes.Buffer, s *shape, v reflect.Value, top bool) {
	for _, m := range s.members {
		encodeMember(b, m, v.Field(m.index), top)
	}
}

func encodeMember(b *bytes.Buffer, m *member, field reflect.Value, top bool) {
	switch m.kind {
	case kindList:
		encodeList(b, m, field, top)
		return
	case kindEnum:
		if field.Len() == 0 {
			return
		}
	default:
		if field.IsNil() {
			return
		}
		field = field.Elem()
	}
	encodeElement(b, m.name, m.kind, m.shape, field)
}

func encodeList(b *bytes.Buffer, m *member, field reflect.Value, top bool) {
	if field.Len() == 0 {
		if top || !field.IsNil() {
			b.WriteString("<" + m.name + "/>")
		}
		return
	}
	b.WriteString("<" + m.name + ">")
	for i := range field.Len() {
		encodeElement(b, m.element, m.elem, m.shape, field.Index(i))
	}
	b.WriteString("</" + m.name + ">")
}

func encodeElement(b *bytes.Buffer, name string, k kind, s *shape, v reflect.Value) {
	b.WriteString("<" + name + ">")
	switch k {
	case kindStruct:
		encodeStruct(b, s, v, false)
	case kindString, kindEnum:
		text(b, v.String())
	case kindBool:
		b.WriteString(strconv.FormatBool(v.Bool()))
	case kindInt32:
		b.WriteString(strconv.FormatInt(v.Int(), 10))
	case kindFloat64:
		b.WriteString(strconv.FormatFloat(v.Float(), 'f', -1, 64))
	case kindTime:
		b.WriteString(formatTime(v.Interface()))
	}
	b.WriteString("</" + name + ">")
}

// formatTime prints UTC with milliseconds, as ElastiCache does.
func formatTime(v any) string {
	t, _ := v.(time.Time)
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
