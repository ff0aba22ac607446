package model

import (
	"fmt"
	"time"
)

// EventRetention is how long events are kept. Source: DescribeEvents, 14 days.
const EventRetention = 14 * 24 * time.Hour

// SourceType says what kind of resource an event is about, in AWS' words.
type SourceType string

// The sources of events that larder's groups have.
const (
	SourceCluster          SourceType = "cache-cluster"
	SourceReplicationGroup SourceType = "replication-group"
)

// Event is an entry of DescribeEvents.
type Event struct {
	SourceID   string     `json:"source_id"`
	SourceType SourceType `json:"source_type"`
	Message    string     `json:"message"`
	Date       time.Time  `json:"date"`
	// Name is the SNS notification that AWS sends for it, such as ElastiCache:FailoverComplete; empty if there is none.
	// Source: the user guide, "Event Notifications and Amazon SNS".
	Name string `json:"name,omitempty"`
}

func clusterEvent(now time.Time, cluster, name, message string) Event {
	return Event{SourceID: cluster, SourceType: SourceCluster, Message: message, Date: now, Name: name}
}

func groupEvent(now time.Time, group, name, message string) Event {
	return Event{SourceID: group, SourceType: SourceReplicationGroup, Message: message, Date: now, Name: name}
}

// EventClusterCreated says that a cluster is there. Wording: the user guide, "Viewing ElastiCache events".
func EventClusterCreated(now time.Time, cluster string) Event {
	return clusterEvent(now, cluster, "ElastiCache:CacheClusterProvisioningComplete", "Cache cluster created")
}

// EventNodeAdded says that a node is in use. Wording: as EventClusterCreated.
func EventNodeAdded(now time.Time, cluster, node, zone string) Event {
	return clusterEvent(now, cluster, "ElastiCache:AddCacheNodeComplete",
		fmt.Sprintf("Added cache node %s in availability zone %s", node, zone))
}

// EventNodeAddFailed says that a node cannot be started, and why.
func EventNodeAddFailed(now time.Time, cluster, node, why string) Event {
	return clusterEvent(now, cluster, "ElastiCache:AddCacheNodeFailed",
		fmt.Sprintf("Failed to add cache node %s: %s", node, why))
}

// EventClusterDeleted says that a cluster and its node are gone.
func EventClusterDeleted(now time.Time, cluster string) Event {
	return clusterEvent(now, cluster, "ElastiCache:DeleteCacheClusterComplete", "Cache cluster deleted")
}

// EventGroupCreated says that a replication group is there.
func EventGroupCreated(now time.Time, group string) Event {
	return groupEvent(now, group, "ElastiCache:CreateReplicationGroupComplete",
		fmt.Sprintf("Replication group %s created", group))
}

// EventGroupCreateFailed says why a replication group cannot be created.
func EventGroupCreateFailed(now time.Time, group, why string) Event {
	return groupEvent(now, group, "ElastiCache:CacheClusterProvisioningFailed",
		fmt.Sprintf("Replication group %s could not be created: %s", group, why))
}

// EventGroupDeleted says that a replication group is gone.
func EventGroupDeleted(now time.Time, group string) Event {
	return groupEvent(now, group, "", fmt.Sprintf("Replication group %s deleted", group))
}

// EventTestFailover says that TestFailover was called; its handler writes it. Wording: the API page of TestFailover.
func EventTestFailover(now time.Time, group, shard string) Event {
	return groupEvent(now, group, "", "Test Failover API called for node group "+shard)
}

// EventsFailover are the two that say that a failover is complete: the cluster's, then the group's. Primary and replica
// are cluster ids. Wording: the API page of TestFailover.
func EventsFailover(now time.Time, group, primary, replica string) []Event {
	message := fmt.Sprintf("Failover from primary node %s to replica node %s completed", primary, replica)
	return []Event{
		clusterEvent(now, primary, "ElastiCache:FailoverComplete", message),
		groupEvent(now, group, "ElastiCache:FailoverComplete", message),
	}
}

// EventFailoverAborted says that a planned failover was given up and why; everything is as before.
func EventFailoverAborted(now time.Time, group, primary, why string) Event {
	return groupEvent(now, group, "", fmt.Sprintf("Failover from primary node %s was not carried out: %s", primary, why))
}

// EventRecovering says that a node that failed is being brought back. Wording: the API page of TestFailover.
func EventRecovering(now time.Time, cluster, node string) Event {
	return clusterEvent(now, cluster, "ElastiCache:CacheNodeReplaceStarted", "Recovering cache nodes "+node)
}

// EventRecovered says that it is back. Wording: the API page of TestFailover.
func EventRecovered(now time.Time, cluster, node string) Event {
	return clusterEvent(now, cluster, "ElastiCache:CacheNodeReplaceComplete", "Finished recovery for cache nodes "+node)
}

// EventsRebooted are the two of a reboot. Wording: the user guide, "Event Notifications and Amazon SNS".
func EventsRebooted(now time.Time, cluster, node string) []Event {
	return []Event{
		clusterEvent(now, cluster, "", fmt.Sprintf("Cache node %s shutdown", node)),
		clusterEvent(now, cluster, "ElastiCache:CacheNodesRebooted", fmt.Sprintf("Cache node %s restarted", node)),
	}
}

// EventReplicasChanging says that the number of replicas is being changed.
func EventReplicasChanging(now time.Time, group string, from, to int) Event {
	word, name := "Increasing", "ElastiCache:ReplicationGroupIncreaseReplicaCountStarted"
	if to < from {
		word, name = "Decreasing", ""
	}
	return groupEvent(now, group, name, fmt.Sprintf("%s number of replicas from %d to %d", word, from, to))
}

// EventReplicasChanged says that the number of replicas has been changed.
func EventReplicasChanged(now time.Time, group string, to int) Event {
	return groupEvent(now, group, "ElastiCache:ReplicationGroupIncreaseReplicaCountFinished",
		fmt.Sprintf("Finished modifying number of replicas to %d", to))
}
