package awsquery

import (
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Bounds of a request; what is beyond is refused as malformed.
const (
	// MaxParameters is how many parameters a form may have.
	MaxParameters = 20_000
	// MaxDepth is how many parts a parameter's name may have.
	MaxDepth = 16
)

// Form returns the parameters of a request whose whole body is given: those of a
// form body, then those of the query string (of two with the same name the first
// counts). A body of another content type is not a form and is not read.
func Form(r *http.Request, body []byte) (url.Values, error) {
	form := url.Values{}
	if isForm(r.Header.Get("Content-Type")) {
		if err := addForm(form, string(body)); err != nil {
			return nil, err
		}
	}
	if err := addForm(form, r.URL.RawQuery); err != nil {
		return nil, err
	}
	return form, nil
}

func isForm(contentType string) bool {
	if contentType == "" {
		return true
	}
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && kind == "application/x-www-form-urlencoded"
}

func addForm(form url.Values, encoded string) error {
	if strings.Count(encoded, "&") >= MaxParameters {
		return malformedQuery()
	}
	values, err := url.ParseQuery(encoded)
	if err != nil {
		return malformedQuery()
	}
	for name, list := range values {
		form[name] = append(form[name], list...)
	}
	return nil
}

func malformedQuery() *Error {
	return newError(http.StatusNotFound, "MalformedQueryString", "The query string contains a syntax error.")
}

// node is a part of the parameters' names: "A.B.1=x" is a value under A, B, 1.
// What is not asked for is never looked at, so unknown parameters are ignored.
type node struct {
	value    string
	hasValue bool
	children map[string]*node
}

// parseTree hangs the form up by the dots in its names. Its size is that of the
// form: an index is a name here, however big its number.
func parseTree(form url.Values) (*node, error) {
	if len(form) > MaxParameters {
		return nil, malformedQuery()
	}
	root := &node{}
	for name, values := range form {
		if len(values) == 0 || strings.Count(name, ".") >= MaxDepth {
			continue // deeper than any shape: unknown
		}
		at := root
		for part := range strings.SplitSeq(name, ".") {
			at = at.child(part)
		}
		at.value, at.hasValue = values[0], true
	}
	return root, nil
}

func (n *node) child(name string) *node {
	next := n.children[name]
	if next == nil {
		next = &node{}
		if n.children == nil {
			n.children = make(map[string]*node)
		}
		n.children[name] = next
	}
	return next
}

// elements returns a list's elements in the order of their indexes. Gaps are
// closed, as AWS does.
func (n *node) elements() ([]*node, bool) {
	type numbered struct {
		number uint64
		node   *node
	}
	list := make([]numbered, 0, len(n.children))
	for name, child := range n.children {
		number, err := strconv.ParseUint(name, 10, 64)
		if err != nil {
			return nil, false
		}
		list = append(list, numbered{number, child})
	}
	slices.SortFunc(list, func(a, b numbered) int {
		if a.number < b.number {
			return -1
		}
		return 1
	})
	nodes := make([]*node, len(list))
	for i, e := range list {
		if i > 0 && list[i-1].number == e.number { // "1" and "01"
			return nil, false
		}
		nodes[i] = e.node
	}
	return nodes, true
}
