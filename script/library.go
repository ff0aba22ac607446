package script

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Library is a library of functions.
type Library struct {
	Name      string
	Source    []byte // with its first line
	Functions []*Registered
}

// Libraries are those of a node, by name, and their functions. The zero value is not usable.
type Libraries struct {
	byName    map[string]*Library
	functions map[string]*Registered // by name in lower case
}

// NewLibraries makes an empty set.
func NewLibraries() *Libraries {
	return &Libraries{byName: map[string]*Library{}, functions: map[string]*Registered{}}
}

// ValidName reports whether a library or function may have a name: letters, digits and underscores.
func ValidName(name string) bool {
	for i := range len(name) {
		if c := name[i]; !isLetter(c) && !isDigit(c) && c != '_' {
			return false
		}
	}
	return name != ""
}

// Len is how many libraries and functions there are.
func (ls *Libraries) Len() (libraries, functions int) { return len(ls.byName), len(ls.functions) }

// Function finds a function, whatever the case; nil if there is none.
func (ls *Libraries) Function(name string) *Registered { return ls.functions[strings.ToLower(name)] }

// Library finds a library; nil if there is none.
func (ls *Libraries) Library(name string) *Library { return ls.byName[name] }

// All lists the libraries by name.
func (ls *Libraries) All() []*Library {
	out := make([]*Library, 0, len(ls.byName))
	for _, name := range slices.Sorted(maps.Keys(ls.byName)) {
		out = append(out, ls.byName[name])
	}
	return out
}

// Flags are those of all functions, by name in lower case.
func (ls *Libraries) Flags() map[string]Flags {
	out := make(map[string]Flags, len(ls.functions))
	for name, f := range ls.functions {
		out[name] = f.Flags
	}
	return out
}

// Bytes is roughly what the libraries' sources and names take.
func (ls *Libraries) Bytes() (n int64) {
	for _, l := range ls.byName {
		n += int64(len(l.Source) + len(l.Name))
		for _, f := range l.Functions {
			n += int64(len(f.Name) + len(f.Desc))
		}
	}
	return n
}

// Join adds libraries, all or none. One that is there already is replaced, or an error. The error is worded for clients.
func (ls *Libraries) Join(replace bool, more ...*Library) error {
	next := ls.Clone()
	for _, l := range more {
		if old := next.byName[l.Name]; old != nil {
			if !replace {
				return fmt.Errorf("Library %s already exists", l.Name)
			}
			next.drop(old)
		}
	}
	for _, l := range more {
		for _, f := range l.Functions {
			if next.functions[strings.ToLower(f.Name)] != nil {
				return fmt.Errorf("Function %s already exists", f.Name)
			}
			next.functions[strings.ToLower(f.Name)] = f
		}
		next.byName[l.Name] = l
	}
	*ls = *next
	return nil
}

// Clone makes a set that has the same libraries.
func (ls *Libraries) Clone() *Libraries {
	return &Libraries{byName: maps.Clone(ls.byName), functions: maps.Clone(ls.functions)}
}

// Delete forgets a library and reports whether it was there.
func (ls *Libraries) Delete(name string) bool {
	l := ls.byName[name]
	if l != nil {
		ls.drop(l)
	}
	return l != nil
}

func (ls *Libraries) drop(l *Library) {
	delete(ls.byName, l.Name)
	for _, f := range l.Functions {
		delete(ls.functions, strings.ToLower(f.Name))
	}
}
