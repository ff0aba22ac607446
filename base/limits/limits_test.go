package limits

import (
	"testing"
	"time"
)

// TestBoundsAgree compares the bounds that depend on each other; each line says why.
func TestBoundsAgree(t *testing.T) {
	for _, c := range []struct {
		holds bool
		why   string
	}{
		{MaxQueryBufferBytesDefault > MaxBulkBytesDefault, "an argument of the longest kind must fit the query buffer"},
		{MinQueryBufferBytesConfig >= MinBulkBytesConfig, "the smallest query buffer holds an argument at the least proto-max-bulk-len"},
		{MinBulkBytesConfig <= MaxBulkBytesDefault, "the default of proto-max-bulk-len is in its range"},
		{MaxPreAuthBulkBytes < MaxBulkBytesDefault && MaxPreAuthMultibulkArgs < MaxMultibulkArgs, "strangers are bound tighter than users"},
		{MaxPreAuthBulkBytes*MaxPreAuthMultibulkArgs < MinQueryBufferBytesConfig, "a stranger cannot fill the smallest query buffer with one request"},
		{MaxInlineBytes <= ReadChunkBytes, "one read can hold the longest line"},
		{BigArgBytes < MinBulkBytesConfig, "the big-argument path is reachable at every proto-max-bulk-len"},
		{BigArgBytes <= ReadChunkBytes, "an argument below the big-argument mark comes in one read"},
		{MaxLoops*ShardsPerLoop >= MaxShards, "the most shards can be reached"},
		{MaxShards <= Slots, "in cluster mode no shard is without a slot"},
		{MaxShards&(MaxShards-1) == 0, "a shard is slot & mask, so their number is a power of two"},
		{MaxOutputPerTurnBytes >= MaxPreAuthOutputBytes, "a stranger's unread output stays below one turn's"},
		{MaxFeedBytes > MaxBulkBytesDefault/16 && MaxFeedBytes >= MaxOutputPerTurnBytes, "a turn's commands can be shown to a monitor"},
		{DatabasesDefault <= MaxDatabasesConfig, "the default of databases is in its range"},
		{ArenaReserveBytes <= ArenaReachBytes, "every byte of the reserve can be referenced"},
		{MinArenaReserveBytes <= ArenaReserveBytes, "the fallback is not more than the first try"},
		{MinArenaReserveBytes >= 2*MaxBulkBytesDefault, "a value of the longest kind can be replaced within the smallest arena"},
		{MinRunBytes%ArenaUnitBytes == 0, "a run is whole units"},
		{RingBytesDefault >= MinRingBytesConfig && RingBytesDefault <= MaxRingBytesConfig, "the default of repl-backlog-size is in its range"},
		{MaxReplicaOutputSoftBytesDefault < MaxReplicaOutputBytesDefault, "soft before hard"},
		{PreImageNodeBytes < PreImageCopyBytes && PreImageCopyBytes < MaxPreImageQueueBytes, "a pre-image fits the queue"},
		{MinPreImageQueueBytes < MaxPreImageQueueBytes && PreImageCopyBytes < MinPreImageQueueBytes, "the smallest queue holds a pre-image"},
		{PreImageQueueStep < MinPreImageQueueBytes, "writers that wait go on before all is written"},
		{StalledSyncPatience < ReplicationTimeout, "who makes writers wait is cut before who is merely slow"},
		{MaxRDBStringBytes >= ArenaReachBytes && MaxRDBStringBytes >= MaxKeyBytes, "what can be stored can be loaded"},
		{RDBAllocStepBytes < MaxRDBStringBytes, "a long string is read in steps"},
		{ReplicaPingEveryDefault < ReplicationTimeout, "a ping comes before the link is given up"},
		{ReplicaAckEvery < ReplicationTimeout, "an acknowledgement comes before the link is given up"},
		{MaxAPIListItems <= MaxAPIListIndex, "every member has an index"},
		{MaxAPIListItems <= MaxAPIFormPairs, "the longest list fits a form"},
		{MaxAPIFormPairs*4 <= MaxAPIBodyBytes, "a body can hold the most pairs"},
		{APIHeaderTimeout <= APIBodyTimeout, "headers come before the body"},
		{MetaTimeout < APIReplyTimeout, "the API can report that the store does not answer"},
		{MinPageRecords <= DefaultPageRecords && DefaultPageRecords <= MaxPageRecords, "the default page is in its range"},
		{MaxMetaValueBytes < MaxMetaRequest, "a value of the longest kind fits a request"},
		{MaxMetaTxnOps <= 128, "etcd's default of operations in a transaction"},
		{MaxMetaRequest < MaxMetaBytes, "a request fits the quota"},
		{ProbeEvery*ProbeFailures <= 300*time.Millisecond, "a hanging primary is noticed within the failover goal"},
		{AdminTimeout < NodeStartTimeout && NodeStartTimeout < NodeStopTimeout, "a node is asked several times before it is given up"},
		{WalkerLockHold <= time.Millisecond && DefragLockHold <= time.Millisecond && ActiveExpireBudget <= time.Millisecond, "background work holds a shard for less than a client notices"},
		{ActiveExpireBudget < ActiveExpireEvery, "expiry is not all that a loop does"},
	} {
		if !c.holds {
			t.Errorf("does not hold: %s", c.why)
		}
	}
}
