package model

import (
	"fmt"
	"strings"
)

// CacheNodeID is the id of the only node of a Redis or Valkey cluster.
const CacheNodeID = "0001"

// FirstShardID is the id of the only node group when cluster mode is disabled.
const FirstShardID = "0001"

// The kinds of record in the store, for meta.Keys.Resource. Names are group keys.
const (
	// RecordDesired holds a Desired.
	RecordDesired = "desired"
	// RecordAssignment holds an Assignment.
	RecordAssignment = "assignment"
	// RecordFloor holds the one Floor, under the name FloorName.
	RecordFloor = "floor"
	// FloorName is the name of the only record of its kind.
	FloorName = "groups"
)

// GroupKey names a group in the store: "replicationgroup:web" or "cluster:web".
func GroupKey(kind Kind, id string) string { return string(kind) + ":" + id }

// SplitGroupKey undoes GroupKey.
func SplitGroupKey(key string) (Kind, string, error) {
	kind, id, ok := strings.Cut(key, ":")
	if !ok || id == "" || (Kind(kind) != KindReplicationGroup && Kind(kind) != KindCluster) {
		return "", "", fmt.Errorf("group key %q is not KIND:ID", key)
	}
	return Kind(kind), id, nil
}

// GroupARN is the ARN of a replication group or cluster. Source: the Service Authorization Reference, ElastiCache.
func GroupARN(region, account string, kind Kind, id string) string {
	return "arn:" + partition(region) + ":elasticache:" + region + ":" + account + ":" + GroupKey(kind, id)
}

// ClusterARN is the ARN of a cache cluster, standalone or a member.
func ClusterARN(region, account, id string) string {
	return GroupARN(region, account, KindCluster, id)
}

// partition is AWS' name for the group of regions that a region belongs to.
func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	default:
		return "aws"
	}
}

// MemberName is the id of the n-th member cluster of a replication group, n from 1: web-001, and with several shards
// web-0001-001.
func MemberName(group, shard string, manyShards bool, n int) string {
	if manyShards {
		return fmt.Sprintf("%s-%s-%03d", group, shard, n)
	}
	return fmt.Sprintf("%s-%03d", group, n)
}
