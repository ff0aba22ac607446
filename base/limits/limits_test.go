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
		{MaxPreAuthBulkBytes < MaxBulkBytesDefault && MaxPreAuthMultibulkArgs < MaxMultibulkArgs, "strangers are bound tighter than users"},
		{BigArgBytes <= ReadChunkBytes, "an argument below the big-argument mark comes in one read"},
		{MaxLoops*ShardsPerLoop >= MaxShards, "the most shards can be reached"},
		{MaxShards&(MaxShards-1) == 0, "a shard is slot & mask, so their number is a power of two"},
		{MaxOutputPerTurnBytes >= MaxPreAuthOutputBytes, "a stranger's unread output stays below one turn's"},
		{MaxFeedBytes > MaxBulkBytesDefault/16 && MaxFeedBytes >= MaxOutputPerTurnBytes, "a turn's commands can be shown to a monitor"},
		{ArenaReserveBytes <= ArenaReachBytes, "every byte of the reserve can be referenced"},
		{MinArenaReserveBytes <= ArenaReserveBytes, "the fallback is not more than the first try"},
		{MinArenaReserveBytes >= 2*MaxBulkBytesDefault, "a value of the longest kind can be replaced within the smallest arena"},
		{PreImageQueueStep < MinPreImageQueueBytes, "writers that wait go on before all is written"},
		{MaxRDBStringBytes >= ArenaReachBytes && MaxRDBStringBytes >= MaxKeyBytes, "what can be stored can be loaded"},
		{RDBAllocStepBytes < MaxRDBStringBytes, "a long string is read in steps"},
		{MaxAPIFormPairs*4 <= MaxAPIBodyBytes, "a body can hold the most pairs"},
		{APIHeaderTimeout <= APIBodyTimeout, "headers come before the body"},
		{MetaTimeout < APIReplyTimeout, "the API can report that the store does not answer"},
		{MinPageRecords <= DefaultPageRecords && DefaultPageRecords <= MaxPageRecords, "the default page is in its range"},
		{MaxMetaValueBytes < MaxMetaRequest, "a value of the longest kind fits a request"},
		{MaxMetaTxnOps <= 128, "etcd's default of operations in a transaction"},
		{MaxMetaRequest < MaxMetaBytes, "a request fits the quota"},
		{AdminTimeout < NodeStartTimeout && NodeStartTimeout < NodeStopTimeout, "a node is asked several times before it is given up"},
		{WalkerLockHold <= time.Millisecond && DefragLockHold <= time.Millisecond, "background work holds a shard for less than a client notices"},
	} {
		if !c.holds {
			t.Errorf("does not hold: %s", c.why)
		}
	}
}
