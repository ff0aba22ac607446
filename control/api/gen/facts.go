package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
)

//go:embed facts.json
var factsJSON []byte

// facts are what the SDK of one service does not say. Every entry must be used:
// one that names nothing is a mistake.
type facts struct {
	Endpoint          string                `json:"endpoint"`
	XMLNS             string                `json:"xmlns"`
	ErrorStatus       map[string]int        `json:"errorStatus"`
	ErrorStatusByHand map[string]int        `json:"errorStatusByHand"`
	Labels            map[string]string     `json:"labels"`
	Limits            map[string]limitsPair `json:"limits"`
}

// limitsPair are the limits of a member, by "Struct.Field".
type limitsPair struct {
	Value   *limits `json:"value"`
	Element *limits `json:"element"`
}

func loadFacts() (map[string]*facts, error) {
	all := make(map[string]*facts)
	d := json.NewDecoder(bytes.NewReader(factsJSON))
	d.DisallowUnknownFields()
	if err := d.Decode(&all); err != nil {
		return nil, fmt.Errorf("facts.json: %w", err)
	}
	return all, nil
}

// merge adds the facts to s.
func (f *facts) merge(s *service) error {
	if f == nil || f.XMLNS == "" || f.Endpoint == "" {
		return fmt.Errorf("xmlns or endpoint is missing")
	}
	s.XMLNS, s.Endpoint = f.XMLNS, f.Endpoint
	if err := f.mergeErrors(s); err != nil {
		return err
	}
	return f.mergeMembers(s)
}

func (f *facts) mergeErrors(s *service) error {
	used := 0
	for i := range s.Errors {
		e := &s.Errors[i]
		status, ok := f.ErrorStatus[e.Name]
		byHand, okByHand := f.ErrorStatusByHand[e.Name]
		switch {
		case ok == okByHand:
			return fmt.Errorf("the status of error %s must be given exactly once", e.Name)
		case okByHand:
			status = byHand
		}
		e.Status = status
		used++
	}
	if n := len(f.ErrorStatus) + len(f.ErrorStatusByHand); n != used {
		return fmt.Errorf("%d of %d error statuses name no error of the SDK", n-used, n)
	}
	return nil
}

func (f *facts) mergeMembers(s *service) error {
	usedLimits, usedLabels := make(map[string]bool), make(map[string]bool)
	for _, sh := range s.Shapes {
		for i := range sh.Members {
			m := &sh.Members[i]
			if label, ok := f.Labels[m.Wire]; ok {
				m.Label = label
				usedLabels[m.Wire] = true
			}
			key := strings.TrimPrefix(string(sh.Type), "types.") + "." + m.Field
			if pair, ok := f.Limits[key]; ok {
				m.Limits, m.ElementLimit = pair.Value, pair.Element
				usedLimits[key] = true
			}
		}
	}
	for key := range f.Limits {
		if !usedLimits[key] {
			return fmt.Errorf("limits of %s: the SDK has no such member", key)
		}
	}
	for key := range f.Labels {
		if !usedLabels[key] {
			return fmt.Errorf("label of %s: the SDK has no such member", key)
		}
	}
	return nil
}
