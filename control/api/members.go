package api

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/larder-cache/larder/control/api/wiretable"
)

// Fate is what becomes of an input member.
type Fate string

const (
	// Effect: it does what AWS says that it does.
	Effect Fate = "effect"
	// Checked: it is validated, and changes nothing beyond that.
	Checked Fate = "checked"
	// Remembered: it is validated, stored, and shown by the Describe operations; larder's nodes do not depend on it.
	Remembered Fate = "remembered"
	// Refused: whoever gives it gets an error that names it, except for the values in Member.Only.
	Refused Fate = "refused"
)

// Member is the fate of an input member.
type Member struct {
	// Name is its dotted name on the wire, without list indexes. It stands for the members of the structure, too, where it
	// names one.
	Name string
	Fate Fate
	// Only are the values that are accepted although the member is refused: they ask for nothing that larder lacks.
	Only []string
	// Note says more, in a few words.
	Note string
}

// members joins lists of members.
func members(lists ...[]Member) []Member { return slices.Concat(lists...) }

// effect, checked and remembered declare the members of that fate; names are separated by spaces.
func effect(names, note string) []Member     { return withFate(Effect, names, note) }
func checked(names, note string) []Member    { return withFate(Checked, names, note) }
func remembered(names, note string) []Member { return withFate(Remembered, names, note) }

// refused declares the members that are refused whatever their value is.
func refused(names string) []Member { return withFate(Refused, names, "") }

// refusedBut declares a member that is refused unless it has one of the values.
func refusedBut(name string, only ...string) []Member {
	return []Member{{Name: name, Fate: Refused, Only: only}}
}

func withFate(fate Fate, names, note string) []Member {
	var list []Member
	for name := range strings.FieldsSeq(names) {
		list = append(list, Member{Name: name, Fate: fate, Note: note})
	}
	return list
}

// refuseMembers returns the error for the first member that is given although larder has nothing for it.
func refuseMembers(list []Member, in any) error {
	for _, m := range list {
		if m.Fate != Refused {
			continue
		}
		for _, value := range given(reflect.ValueOf(in), strings.Split(m.Name, ".")) {
			switch {
			case len(m.Only) == 0:
				return wiretable.InvalidParameterCombinationException(
					"The parameter %s is not supported by this version of larder.", m.Name)
			case !slices.Contains(m.Only, value):
				return wiretable.InvalidParameterValueException(
					"The value %s of the parameter %s is not supported by this version of larder, which has only: %s.",
					clip(value), m.Name, strings.Join(m.Only, ", "))
			}
		}
	}
	return nil
}

// given returns the values, as text, that the request has at the path of Go fields (which ElastiCache's wire names are);
// a structure counts as one value. A nil pointer, an empty list and an empty enum are not given.
func given(v reflect.Value, path []string) []string {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return given(v.Elem(), path)
	case reflect.Slice:
		var all []string
		for i := range v.Len() {
			all = append(all, given(v.Index(i), path)...)
		}
		return all
	case reflect.Struct:
		if _, isTime := v.Interface().(time.Time); !isTime && len(path) > 0 {
			field := v.FieldByName(path[0])
			if !field.IsValid() || field.Kind() == reflect.String && field.Len() == 0 {
				return nil
			}
			return given(field, path[1:])
		}
		return []string{"(structure)"}
	case reflect.String:
		return []string{v.String()}
	case reflect.Bool:
		return []string{strconv.FormatBool(v.Bool())}
	default:
		return []string{fmt.Sprint(v.Interface())}
	}
}
