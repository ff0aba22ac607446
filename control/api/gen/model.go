package main

// service is the intermediate form between a front end (the SDK's source) and the
// tables that are written. All slices are sorted by name, except Required.
type service struct {
	Name       string // of the SDK package
	Endpoint   string // the service in a credential scope
	Version    string
	XMLNS      string
	Operations []operation
	Shapes     []*shape
	Errors     []errorShape
}

type operation struct {
	Name     string
	NoResult bool
	Errors   []string
}

// goType is a struct type of the SDK: "types.Tag", or "CreateUserInput" for the
// service package itself.
type goType string

type shape struct {
	Type     goType
	Role     role
	Members  []member
	Required []string // Go fields, in the order in which the SDK checks them
}

// role says which file a shape is written to.
type role int

const (
	roleInput role = iota
	roleOutput
	roleStructure
)

type member struct {
	Field    string
	Wire     string
	Encoding encoding
	Element  string   // a list's element name
	ElemEnc  encoding // how a list's elements are encoded
	Target   goType   // of a structure, or of a list's elements

	Label                string
	Limits, ElementLimit *limits
}

type encoding string

const (
	encString encoding = "string"
	encEnum   encoding = "enum"
	encInt    encoding = "int32"
	encFloat  encoding = "float64"
	encBool   encoding = "bool"
	encTime   encoding = "time"
	encStruct encoding = "structure"
	encList   encoding = "list"
)

type errorShape struct {
	Name   string
	Code   string
	Client bool // the client's fault
	Status int
}

type limits struct {
	Min     int    `json:"min"`
	Max     int    `json:"max"`
	Pattern string `json:"pattern"`
}
