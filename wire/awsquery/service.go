package awsquery

import (
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Service is a compiled ServiceTable. It is immutable.
type Service struct {
	name, version, xmlns string
	operations           map[string]*Operation
	errors               map[string]ErrorShape
}

// Operation is one operation of a Service. It is immutable.
type Operation struct {
	service  *Service
	name     string
	input    *shape
	output   *shape
	noResult bool
	errors   []ErrorShape
}

// shape is a struct type with its members resolved.
type shape struct {
	typ      reflect.Type
	members  []*member
	required []*member
}

// member is a struct field with its wire name.
type member struct {
	name, element, label string
	index                int
	kind                 kind
	elem                 kind   // of a list's elements
	shape                *shape // of a structure, or of a list's elements
	enum                 []string
	limits, elemLimits   *limits
}

type limits struct {
	Limits
	pattern *regexp.Regexp
}

// kind is how a Go type stands on the wire.
type kind int

const (
	kindString kind = iota + 1
	kindEnum
	kindInt32
	kindFloat64
	kindBool
	kindTime
	kindStruct
	kindList
)

// NewService compiles a table and checks it against the Go types. An error is a
// mistake in the table.
func NewService(table ServiceTable) (*Service, error) {
	c := compiler{shapes: make(map[reflect.Type]*shape)}
	if err := c.compileShapes(table.Shapes); err != nil {
		return nil, fmt.Errorf("awsquery: %s: %w", table.Name, err)
	}
	s := &Service{
		name: table.Name, version: table.Version, xmlns: table.XMLNS,
		operations: make(map[string]*Operation, len(table.Operations)),
		errors:     make(map[string]ErrorShape, len(table.Errors)),
	}
	for _, e := range table.Errors {
		if _, twice := s.errors[e.Name]; twice || e.Code == "" || e.Status < 400 || e.Status > 599 {
			return nil, fmt.Errorf("awsquery: %s: error %s is incomplete or there twice", table.Name, e.Name)
		}
		s.errors[e.Name] = e
	}
	for _, t := range table.Operations {
		op, err := c.operation(s, t)
		if err != nil {
			return nil, fmt.Errorf("awsquery: %s: operation %s: %w", table.Name, t.Name, err)
		}
		s.operations[t.Name] = op
	}
	return s, nil
}

// Name is the service's name in a credential scope.
func (s *Service) Name() string { return s.name }

// Version is the API version.
func (s *Service) Version() string { return s.version }

// Operation returns the operation of that name.
func (s *Service) Operation(name string) (*Operation, bool) {
	op, ok := s.operations[name]
	return op, ok
}

// Operations returns the names of all operations, sorted.
func (s *Service) Operations() []string {
	names := make([]string, 0, len(s.operations))
	for name := range s.operations {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Errors returns all error shapes, sorted by name.
func (s *Service) Errors() []ErrorShape {
	shapes := make([]ErrorShape, 0, len(s.errors))
	for _, e := range s.errors {
		shapes = append(shapes, e)
	}
	slices.SortFunc(shapes, func(a, b ErrorShape) int { return strings.Compare(a.Name, b.Name) })
	return shapes
}

// Resolve returns the operation that a form asks for (its Action), or the error
// that AWS answers. A form without Version is accepted, as ElastiCache does.
func (s *Service) Resolve(form url.Values) (*Operation, error) {
	action, version := form.Get("Action"), form.Get("Version")
	if action == "" {
		return nil, newError(400, "MissingAction", "The request is missing an action or a required parameter.")
	}
	op, ok := s.operations[action]
	if !ok || version != "" && version != s.version {
		if version == "" {
			version = "NO_VERSION_SPECIFIED"
		}
		return nil, newError(400, "InvalidAction", fmt.Sprintf("Could not find operation %s for version %s", clip(action), clip(version)))
	}
	return op, nil
}

// Name is the operation's name.
func (o *Operation) Name() string { return o.name }

// Service is the service that the operation is of.
func (o *Operation) Service() *Service { return o.service }

// NewInput returns a pointer to a new input struct of the SDK.
func (o *Operation) NewInput() any { return reflect.New(o.input.typ).Interface() }

// NewOutput returns a pointer to a new output struct of the SDK.
func (o *Operation) NewOutput() any { return reflect.New(o.output.typ).Interface() }

// Errors returns the error shapes that the operation declares.
func (o *Operation) Errors() []ErrorShape { return slices.Clone(o.errors) }

// InputMembers returns the dotted wire names of everything a request can say,
// without list indexes ("NodeGroupConfiguration.ReplicaCount"), sorted.
// Structures are represented by their members.
func (o *Operation) InputMembers() []string { return paths(o.input, "", nil) }

// OutputMembers returns the same for the answer.
func (o *Operation) OutputMembers() []string { return paths(o.output, "", nil) }

// RequiredMembers returns the dotted names of the members that a request (or the
// structure that they are in) must have, sorted.
func (o *Operation) RequiredMembers() []string {
	return requiredPaths(o.input, "", nil)
}

func paths(s *shape, prefix string, above []*shape) []string {
	if slices.Contains(above, s) { // a recursive structure is named once
		return nil
	}
	above = append(above, s)
	var all []string
	for _, m := range s.members {
		if m.shape == nil {
			all = append(all, prefix+m.name)
			continue
		}
		all = append(all, paths(m.shape, prefix+m.name+".", above)...)
	}
	slices.Sort(all)
	return all
}

func requiredPaths(s *shape, prefix string, above []*shape) []string {
	if slices.Contains(above, s) {
		return nil
	}
	above = append(above, s)
	var all []string
	for _, m := range s.required {
		all = append(all, prefix+m.name)
	}
	for _, m := range s.members {
		if m.shape != nil {
			all = append(all, requiredPaths(m.shape, prefix+m.name+".", above)...)
		}
	}
	slices.Sort(all)
	return all
}

// compiler resolves table entries to types. Shapes refer to each other, so all
// are made before any is filled.
type compiler struct {
	shapes map[reflect.Type]*shape
}

func (c *compiler) compileShapes(tables []ShapeTable) error {
	for _, t := range tables {
		if t.Type == nil || t.Type.Kind() != reflect.Struct || c.shapes[t.Type] != nil {
			return fmt.Errorf("shape %v is no struct, or there twice", t.Type)
		}
		c.shapes[t.Type] = &shape{typ: t.Type}
	}
	for _, t := range tables {
		if err := c.fill(c.shapes[t.Type], t); err != nil {
			return fmt.Errorf("shape %v: %w", t.Type, err)
		}
	}
	return nil
}

func (c *compiler) fill(s *shape, t ShapeTable) error {
	byField := make(map[string]*member, len(t.Members))
	for _, mt := range t.Members {
		m, err := c.member(t.Type, mt)
		if err != nil {
			return fmt.Errorf("member %s: %w", mt.Field, err)
		}
		byField[mt.Field] = m
		s.members = append(s.members, m)
	}
	for _, field := range t.Required {
		if byField[field] == nil {
			return fmt.Errorf("required member %s does not exist", field)
		}
		s.required = append(s.required, byField[field])
	}
	return nil
}

func (c *compiler) member(typ reflect.Type, t MemberTable) (*member, error) {
	field, ok := typ.FieldByName(t.Field)
	if !ok || len(field.Index) != 1 {
		return nil, fmt.Errorf("no such field")
	}
	m := &member{name: t.Name, element: t.Element, label: t.Label, index: field.Index[0]}
	if m.label == "" {
		m.label = t.Name
	}
	target := field.Type
	m.kind = kindOf(target)
	if m.kind == kindList {
		target = target.Elem()
		m.elem = kindOf(target)
	}
	switch {
	case m.kind == 0, m.kind == kindList && (m.elem == 0 || m.elem == kindList):
		return nil, fmt.Errorf("type %v has no form on the wire", field.Type)
	case (m.kind == kindList) != (m.element != ""):
		return nil, fmt.Errorf("type %v and element name %q do not agree", field.Type, m.element)
	}
	if target.Kind() == reflect.Pointer {
		target = target.Elem()
	}
	if m.kind == kindStruct || m.elem == kindStruct {
		if m.shape = c.shapes[target]; m.shape == nil {
			return nil, fmt.Errorf("type %v has no shape", target)
		}
	}
	m.enum = enumValues(target)
	var err error
	if m.limits, err = compileLimits(t.Limits); err != nil {
		return nil, err
	}
	m.elemLimits, err = compileLimits(t.ElementLimits)
	return m, err
}

func (c *compiler) operation(s *Service, t OperationTable) (*Operation, error) {
	op := &Operation{service: s, name: t.Name, input: c.shapes[t.Input], output: c.shapes[t.Output], noResult: t.NoResult}
	if op.input == nil || op.output == nil || s.operations[t.Name] != nil {
		return nil, fmt.Errorf("input or output has no shape, or the operation is there twice")
	}
	for _, name := range t.Errors {
		e, ok := s.errors[name]
		if !ok {
			return nil, fmt.Errorf("error shape %s is unknown", name)
		}
		op.errors = append(op.errors, e)
	}
	return op, nil
}

func compileLimits(l *Limits) (*limits, error) {
	if l == nil {
		return nil, nil
	}
	compiled := &limits{Limits: *l}
	if l.Pattern == "" {
		return compiled, nil
	}
	var err error
	compiled.pattern, err = regexp.Compile(l.Pattern)
	return compiled, err
}

// kindOf classifies the types that the SDK uses for members; 0: none of them.
func kindOf(t reflect.Type) kind {
	switch t.Kind() {
	case reflect.Slice:
		return kindList
	case reflect.String:
		if t == reflect.TypeFor[string]() {
			return kindString // an element; members are *string
		}
		return kindEnum
	case reflect.Struct:
		return kindStruct // an element; members are pointers
	case reflect.Pointer:
		return kindOfPointer(t.Elem())
	}
	return 0
}

func kindOfPointer(t reflect.Type) kind {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return kindTime
	case t == reflect.TypeFor[string]():
		return kindString
	case t == reflect.TypeFor[int32]():
		return kindInt32
	case t == reflect.TypeFor[float64]():
		return kindFloat64
	case t == reflect.TypeFor[bool]():
		return kindBool
	case t.Kind() == reflect.Struct:
		return kindStruct
	}
	return 0
}

// enumValues asks an enum type of the SDK for its values: its method Values
// returns them all.
func enumValues(t reflect.Type) []string {
	method, ok := t.MethodByName("Values")
	if !ok || t.Kind() != reflect.String || method.Type.NumIn() != 1 || method.Type.NumOut() != 1 {
		return nil
	}
	list := method.Func.Call([]reflect.Value{reflect.Zero(t)})[0]
	values := make([]string, list.Len())
	for i := range values {
		values[i] = list.Index(i).String()
	}
	return values
}
