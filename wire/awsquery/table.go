package awsquery

import "reflect"

// ServiceTable is everything the codec knows of one service.
type ServiceTable struct {
	// Name is the service's name in a credential scope, e.g. "elasticache".
	Name string
	// Version is the API version that requests carry, e.g. "2015-02-02".
	Version string
	// XMLNS is the namespace of every answer.
	XMLNS string
	// Operations, Shapes and Errors are in any order; names and types are unique.
	Operations []OperationTable
	Shapes     []ShapeTable
	Errors     []ErrorShape
}

// OperationTable is one operation.
type OperationTable struct {
	// Name is the value of the Action parameter.
	Name string
	// Input and Output are struct types (not pointers) with an entry in Shapes.
	Input, Output reflect.Type
	// NoResult says that the answer has no <NameResult> element.
	NoResult bool
	// Errors are the names of the error shapes that the operation declares.
	Errors []string
}

// ShapeTable is one struct: an input, an output or a structure within one.
type ShapeTable struct {
	// Type is the struct type.
	Type reflect.Type
	// Members are its members, as they stand on the wire.
	Members []MemberTable
	// Required are the Go fields that a request must have, in the order in which
	// they are missed.
	Required []string
}

// MemberTable is one member of a struct.
type MemberTable struct {
	// Field is the Go field.
	Field string
	// Name is the member's name on the wire.
	Name string
	// Element is the wire name of a list's elements; "" if it is no list.
	Element string
	// Label is the name in texts for people, where AWS uses another than Name.
	Label string
	// Limits bound the value (a list: how many elements); nil: no bound known.
	Limits *Limits
	// ElementLimits bound each element of a list.
	ElementLimits *Limits
}

// Limits are the constraints that AWS' model states.
type Limits struct {
	// Min and Max are bytes of a string or elements of a list; Max 0: none.
	Min, Max int
	// Pattern is a regular expression that a string must have a match of; "": none.
	Pattern string
}

// Fault says who is to blame for an error.
type Fault string

// The two values of an error's Type element.
const (
	Sender   Fault = "Sender"
	Receiver Fault = "Receiver"
)

// ErrorShape is an error that the service's model declares.
type ErrorShape struct {
	// Name is the shape, e.g. "CacheClusterNotFoundFault".
	Name string
	// Code is what stands on the wire, e.g. "CacheClusterNotFound".
	Code string
	// Status is the HTTP status.
	Status int
	// Fault is whose fault it is.
	Fault Fault
}
