package awsquery

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// MustNotBeBlank is ElastiCache's answer to a text that is missing or empty.
func MustNotBeBlank(parameter string) *Error {
	return newError(400, "InvalidParameterValue", "The parameter "+parameter+" must be provided and must not be blank.")
}

// MustNotBeNull is ElastiCache's answer to another parameter that is missing.
func MustNotBeNull(parameter string) *Error {
	return newError(400, "InvalidParameterValue", "The parameter "+parameter+" must be provided and must not be null.")
}

// checkRequired returns the error for the first required member that is missing;
// a member within a structure is required where the structure is there.
func checkRequired(s *shape, v reflect.Value, prefix string) error {
	for _, m := range s.required {
		if err := missing(m, v.Field(m.index), prefix); err != nil {
			return err
		}
	}
	for _, m := range s.members {
		if m.shape == nil {
			continue
		}
		err := each(m, v.Field(m.index), func(suffix string, element reflect.Value) error {
			return checkRequired(m.shape, element, prefix+m.name+suffix+".")
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// missing answers a nil error value, never a typed nil.
func missing(m *member, field reflect.Value, prefix string) error {
	switch m.kind {
	case kindString:
		if field.IsNil() || field.Elem().Len() == 0 {
			return MustNotBeBlank(prefix + m.label)
		}
	case kindEnum:
		if field.Len() == 0 {
			return MustNotBeNull(prefix + m.label)
		}
	case kindList:
		if field.Len() == 0 {
			return MustNotBeNull(prefix + m.label)
		}
	default:
		if field.IsNil() {
			return MustNotBeNull(prefix + m.label)
		}
	}
	return nil
}

// each calls do with every structure that the field holds: itself, or its
// elements with ".Element.N" as suffix.
func each(m *member, field reflect.Value, do func(suffix string, element reflect.Value) error) error {
	if m.kind == kindStruct {
		if field.IsNil() {
			return nil
		}
		return do("", field.Elem())
	}
	for i := range field.Len() {
		if err := do("."+m.element+"."+strconv.Itoa(i+1), field.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

// checkLimits answers every value that is outside the model's limits in one
// message, in the words of AWS' framework.
func checkLimits(s *shape, v reflect.Value) error {
	var wrong []string
	collectLimits(s, v, "", &wrong)
	if len(wrong) == 0 {
		return nil
	}
	noun := "error"
	if len(wrong) > 1 {
		noun = "errors"
	}
	shown := wrong[:min(len(wrong), 10)]
	return newError(400, "InvalidParameterValue",
		fmt.Sprintf("%d validation %s detected: %s", len(wrong), noun, strings.Join(shown, "; ")))
}

func collectLimits(s *shape, v reflect.Value, prefix string, wrong *[]string) {
	for _, m := range s.members {
		field, path := v.Field(m.index), prefix+lowerFirst(m.name)
		if m.kind == kindList && !field.IsNil() {
			m.limits.count(field.Len(), path, wrong)
		}
		if m.shape != nil {
			_ = each(m, field, func(suffix string, element reflect.Value) error {
				collectLimits(m.shape, element, path+strings.ReplaceAll(suffix, "."+m.element+".", ".")+".", wrong)
				return nil
			})
			continue
		}
		checkTexts(m, field, path, wrong)
	}
}

// checkTexts looks at strings and enums: the member, or the elements of a list.
func checkTexts(m *member, field reflect.Value, path string, wrong *[]string) {
	switch {
	case m.kind == kindString && !field.IsNil():
		m.limits.text(field.Elem().String(), path, wrong)
	case m.kind == kindEnum && field.Len() > 0:
		checkEnum(m.enum, field.String(), path, wrong)
	case m.elem == kindString || m.elem == kindEnum:
		for i := range field.Len() {
			text, at := field.Index(i).String(), path+"."+strconv.Itoa(i+1)
			m.elemLimits.text(text, at+".member", wrong)
			if m.elem == kindEnum {
				checkEnum(m.enum, text, at+".member", wrong)
			}
		}
	}
}

func checkEnum(values []string, text, path string, wrong *[]string) {
	if len(values) > 0 && !slices.Contains(values, text) {
		*wrong = append(*wrong, fmt.Sprintf("Value '%s' at '%s' failed to satisfy constraint: Member must satisfy enum value set: [%s]",
			clip(text), path, strings.Join(values, ", ")))
	}
}

func (l *limits) count(n int, path string, wrong *[]string) {
	if l != nil {
		l.size(n, fmt.Sprintf("[%d elements]", n), path, wrong)
	}
}

func (l *limits) text(text, path string, wrong *[]string) {
	if l == nil {
		return
	}
	l.size(len(text), clip(text), path, wrong)
	if l.pattern != nil && !l.pattern.MatchString(text) {
		*wrong = append(*wrong, fmt.Sprintf("Value '%s' at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: %s",
			clip(text), path, l.Pattern))
	}
}

func (l *limits) size(n int, shown, path string, wrong *[]string) {
	if n < l.Min {
		*wrong = append(*wrong, fmt.Sprintf("Value '%s' at '%s' failed to satisfy constraint: Member must have length greater than or equal to %d", shown, path, l.Min))
	}
	if l.Max > 0 && n > l.Max {
		*wrong = append(*wrong, fmt.Sprintf("Value '%s' at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", shown, path, l.Max))
	}
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// clip bounds what a message repeats of the request.
func clip(s string) string {
	const limit = 256
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "..."
}
