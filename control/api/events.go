package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"

	"github.com/larder-cache/larder/control/model"
)

// shownFor is how far back events are shown when nothing is said about the time. Source: DescribeEvents.
const shownFor = time.Hour

func eventOperations() []Operation {
	return []Operation{
		handle(Operation{Service: elastiCache, Name: "DescribeEvents", Action: "elasticache:DescribeEvents", Resources: []string{"*"},
			Members: members(
				effect("SourceType SourceIdentifier", "events are of cache clusters and replication groups"),
				effect("StartTime EndTime", "within the last 14 days"),
				effect("Duration", "minutes from StartTime, to EndTime, or to now"),
				effect(pageMembers, "pages of 20 to 100, the newest event first")),
		}, describeEvents),
	}
}

// storedEvent is an event and its key, by which events are sorted and paged.
type storedEvent struct {
	key string
	model.Event
}

func describeEvents(ctx context.Context, c *call, in *elasticache.DescribeEventsInput) (*elasticache.DescribeEventsOutput, error) {
	pager, err := newPager("DescribeEvents", in.MaxRecords, in.Marker)
	if err != nil {
		return nil, err
	}
	pager.falling = true
	from, to, err := c.interval(in)
	if err != nil {
		return nil, err
	}
	kvs, _, err := c.records.store.List(ctx, c.records.keys.Events())
	if err != nil {
		return nil, storeError(err)
	}
	var found []storedEvent
	for _, kv := range slices.Backward(kvs) {
		e, err := model.DecodeEvent(kv.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kv.Key, err)
		}
		if !e.Date.Before(from) && !e.Date.After(to) && ofSource(e, in) {
			found = append(found, storedEvent{kv.Key, e})
		}
	}
	found, next := page(pager, found, func(e storedEvent) string { return e.key })
	out := &elasticache.DescribeEventsOutput{Marker: next}
	for _, e := range found {
		out.Events = append(out.Events, types.Event{SourceIdentifier: new(e.SourceID), SourceType: types.SourceType(e.SourceType),
			Message: new(e.Message), Date: new(e.Date)})
	}
	return out, nil
}

func ofSource(e model.Event, in *elasticache.DescribeEventsInput) bool {
	return (in.SourceType == "" || string(in.SourceType) == string(e.SourceType)) &&
		(in.SourceIdentifier == nil || strings.EqualFold(*in.SourceIdentifier, e.SourceID))
}

// interval is the time that events are asked for, both ends included.
func (c *call) interval(in *elasticache.DescribeEventsInput) (from, to time.Time, err error) {
	length := shownFor
	if in.Duration != nil {
		length = time.Duration(*in.Duration) * time.Minute
	}
	switch {
	case in.StartTime != nil && in.EndTime != nil && in.Duration != nil:
		return from, to, invalidCombination("StartTime, EndTime and Duration cannot be used all together.")
	case length <= 0 || length > model.EventRetention:
		return from, to, invalidValue("The parameter Duration must be between 1 and %d minutes.", int(model.EventRetention/time.Minute))
	case in.StartTime != nil && in.EndTime != nil:
		from, to = *in.StartTime, *in.EndTime
	case in.StartTime != nil && in.Duration == nil:
		from, to = *in.StartTime, c.now
	case in.StartTime != nil:
		from, to = *in.StartTime, in.StartTime.Add(length)
	case in.EndTime != nil:
		from, to = in.EndTime.Add(-length), *in.EndTime
	default:
		from, to = c.now.Add(-length), c.now
	}
	if from.After(to) {
		return from, to, invalidCombination("The start time of the interval must not be after its end.")
	}
	if oldest := c.now.Add(-model.EventRetention); from.Before(oldest) {
		from = oldest
	}
	return from, to, nil
}
