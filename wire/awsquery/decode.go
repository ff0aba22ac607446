package awsquery

import (
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Decode reads a form into the input struct of the operation (a pointer to it is
// returned) and checks it: malformed values first, then required members, then
// the limits of the model. An error is always an *Error.
//
// Lists are read by the name of their elements (Tags.Tag.1), as "member"
// (Tags.member.1); "Tags=" is an empty list. Unknown parameters are ignored; of a
// parameter that comes twice the first counts.
func Decode(op *Operation, form url.Values) (any, error) {
	root, err := parseTree(form)
	if err != nil {
		return nil, err
	}
	input := reflect.New(op.input.typ)
	if err := decodeStruct(op.input, root, input.Elem()); err != nil {
		return nil, err
	}
	if err := checkRequired(op.input, input.Elem(), ""); err != nil {
		return nil, err
	}
	if err := checkLimits(op.input, input.Elem()); err != nil {
		return nil, err
	}
	return input.Interface(), nil
}

func malformed(message string) *Error { return newError(400, "MalformedInput", message) }

func decodeStruct(s *shape, n *node, into reflect.Value) error {
	for _, m := range s.members {
		child := n.children[m.name]
		if child == nil {
			continue
		}
		if err := decodeMember(m, child, into.Field(m.index)); err != nil {
			return err
		}
	}
	return nil
}

func decodeMember(m *member, n *node, into reflect.Value) error {
	switch m.kind {
	case kindList:
		return decodeList(m, n, into)
	case kindStruct:
		into.Set(reflect.New(m.shape.typ))
		return decodeElement(kindStruct, m.shape, n, into.Elem())
	case kindEnum:
		return decodeElement(kindEnum, nil, n, into)
	}
	into.Set(reflect.New(into.Type().Elem()))
	return decodeElement(m.kind, nil, n, into.Elem())
}

func decodeList(m *member, n *node, into reflect.Value) error {
	list := n.children[m.element]
	if list == nil {
		list = n.children["member"]
	}
	if list == nil {
		if n.hasValue && n.value == "" && len(n.children) == 0 {
			into.Set(reflect.MakeSlice(into.Type(), 0, 0))
			return nil
		}
		return malformed("Unexpected list element termination")
	}
	nodes, ok := list.elements()
	if !ok || list.hasValue || len(nodes) == 0 {
		return malformed("Unexpected list element termination")
	}
	slice := reflect.MakeSlice(into.Type(), len(nodes), len(nodes))
	for i, element := range nodes {
		if err := decodeElement(m.elem, m.shape, element, slice.Index(i)); err != nil {
			return err
		}
	}
	into.Set(slice)
	return nil
}

// decodeElement reads one value that is no list; into is the value itself, not a
// pointer to it.
func decodeElement(k kind, s *shape, n *node, into reflect.Value) error {
	if k == kindStruct {
		if n.hasValue && n.value != "" {
			return malformed("Unexpected complex element termination")
		}
		return decodeStruct(s, n, into)
	}
	if len(n.children) > 0 {
		return malformed("Start of structure or map found where not expected.")
	}
	return decodeScalar(k, n.value, into)
}

func decodeScalar(k kind, text string, into reflect.Value) error {
	switch k {
	case kindString, kindEnum:
		into.SetString(text)
	case kindBool:
		b, err := parseBool(text)
		if err != nil {
			return err
		}
		into.SetBool(b)
	case kindInt32:
		i, err := parseInt32(text)
		if err != nil {
			return err
		}
		into.SetInt(i)
	case kindFloat64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return malformed("double must follow xsd1.1 definition")
		}
		into.SetFloat(f)
	case kindTime:
		t, err := parseTime(text)
		if err != nil {
			return err
		}
		into.Set(reflect.ValueOf(t))
	}
	return nil
}

// parseBool takes the four words of XML Schema, in this case only.
func parseBool(text string) (bool, error) {
	switch text {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	case "":
		return false, malformed("missing value for boolean type")
	}
	return false, malformed("boolean must follow xsd1.1 definition")
}

func parseInt32(text string) (int64, error) {
	if text == "" {
		return 0, malformed("missing value for integer type")
	}
	i, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, malformed("integer must follow xsd1.1 definition")
	}
	return i, nil
}

// parseTime takes ISO 8601 in its extended form, with a zone or in UTC.
func parseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, malformed("missing value for timestamp type")
	}
	// A raw "+" in a form is a space; an offset is the only place for one.
	text = strings.Replace(text, " ", "+", 1)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04Z07:00", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, malformed("timestamp must follow ISO8601")
}
