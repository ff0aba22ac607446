package model

import (
	"encoding/json"
	"fmt"

	"github.com/larder-cache/larder/nodeapi"
)

// FormatVersion is the version of all encodings of this package: JSON with the field names of the struct tags, and
// "format" in each record. A record with a higher version was written by a newer larder and is refused, not guessed at.
const FormatVersion = 1

// EncodeDesired returns the record as it is stored.
func EncodeDesired(d Desired) ([]byte, error) {
	d.Format = FormatVersion
	return encode("desired", d)
}

// DecodeDesired undoes EncodeDesired.
func DecodeDesired(b []byte) (Desired, error) {
	var d Desired
	err := decode("desired", b, &d)
	return d, err
}

// EncodeAssignment returns the record as it is stored, its secret included.
func EncodeAssignment(a Assignment) ([]byte, error) {
	a.Format = FormatVersion
	return encode("assignment", a)
}

// DecodeAssignment undoes EncodeAssignment.
func DecodeAssignment(b []byte) (Assignment, error) {
	var a Assignment
	err := decode("assignment", b, &a)
	return a, err
}

// EncodeFloor returns the record as it is stored.
func EncodeFloor(f Floor) ([]byte, error) {
	f.Format = FormatVersion
	return encode("floor", f)
}

// DecodeFloor undoes EncodeFloor.
func DecodeFloor(b []byte) (Floor, error) {
	var f Floor
	err := decode("floor", b, &f)
	return f, err
}

// EncodeEvent returns the event as it is stored.
func EncodeEvent(e Event) ([]byte, error) {
	return encode("event", storedEvent{Format: FormatVersion, Event: e})
}

// DecodeEvent undoes EncodeEvent.
func DecodeEvent(b []byte) (Event, error) {
	var e storedEvent
	err := decode("event", b, &e)
	return e.Event, err
}

// EncodeStatus returns a node's status as it is stored: only its Stable part.
func EncodeStatus(s nodeapi.NodeStatus) ([]byte, error) {
	return encode("node status", storedStatus{Format: FormatVersion, NodeStatus: s.Stable()})
}

// DecodeStatus undoes EncodeStatus.
func DecodeStatus(b []byte) (nodeapi.NodeStatus, error) {
	var s storedStatus
	err := decode("node status", b, &s)
	return s.NodeStatus, err
}

type storedEvent struct {
	Format int `json:"format"`
	Event
}

type storedStatus struct {
	Format int `json:"format"`
	nodeapi.NodeStatus
}

func encode(what string, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("model: encode %s: %w", what, err)
	}
	return b, nil
}

func decode(what string, b []byte, v any) error {
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return fmt.Errorf("model: the stored %s is damaged: %w", what, err)
	}
	if head.Format < 1 || head.Format > FormatVersion {
		return fmt.Errorf("model: the stored %s has format %d, this larder knows 1 to %d", what, head.Format, FormatVersion)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("model: the stored %s is damaged: %w", what, err)
	}
	return nil
}
