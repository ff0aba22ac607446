// Package limits holds every bound in larder, in one file, with its unit in its name. Nothing that a peer, a file or a
// user can make grow is without one. Bounds that depend on each other are compared in the package's test.
//
// It holds no configuration: where a bound can be configured, the default and the range stand here, the value where it
// is used.
package limits

import "time"

// Sizes in bytes.
const (
	KiB = 1 << 10
	MiB = 1 << 20
	GiB = 1 << 30
	TiB = 1 << 40
)

// RESP requests. Source of the defaults: redis.conf of Redis 7 and the protocol's own limits; of those before
// authentication: CVE-2021-32675.
const (
	// MaxBulkBytesDefault is proto-max-bulk-len: the longest argument, and so the longest string value.
	MaxBulkBytesDefault = 512 * MiB
	// MaxMultibulkArgs is how many arguments one request may announce.
	MaxMultibulkArgs = 1024 * 1024
	// MaxPreAuthMultibulkArgs and MaxPreAuthBulkBytes are the same two bounds for a client that has yet to authenticate.
	MaxPreAuthMultibulkArgs = 10
	MaxPreAuthBulkBytes     = 16 * KiB
	// MaxPreAuthOutputBytes ends a turn of an unauthenticated client: with so much output its further commands wait until it has read
	// that (CVE-2025-21605).
	MaxPreAuthOutputBytes = 64 * KiB
	// ReadChunkBytes is how much one read takes from a socket at most.
	ReadChunkBytes = 64 * KiB
	// BigArgBytes is from where an argument is read into its own buffer instead of through the query buffer.
	BigArgBytes = 32 * KiB
)

// A node's event loops.
const (
	// MaxCommandsPerTurn and MaxOutputPerTurnBytes end a connection's turn on its loop, so that the others get theirs.
	MaxCommandsPerTurn    = 256
	MaxOutputPerTurnBytes = 256 * KiB
	// MaxLoops is the number of event loops at most.
	MaxLoops = 64
	// ShardsPerLoop and MaxShards size the keyspace: min(ShardsPerLoop × loops, MaxShards).
	ShardsPerLoop = 4
	MaxShards     = 256
	// ReservedFiles is how many descriptors a node keeps for files, listeners and its own connections, beside maxclients.
	ReservedFiles = 32
	// ResolveTimeout is how long the system may take to tell the address of a name in `bind`.
	ResolveTimeout = 2 * time.Second
	// MaxDatabasesConfig is the largest value of `databases`.
	MaxDatabasesConfig = 16_384
	// MaxConfigIncludes is how deep configuration files may include one another.
	MaxConfigIncludes = 16
	// MaxClientNameBytes is the longest name that CLIENT SETNAME and SETINFO take.
	MaxClientNameBytes = 64 * KiB
	// MaxQueuedCommands and MaxQueuedBytes bound what one MULTI may queue.
	MaxQueuedCommands = 1024 * 1024
	MaxQueuedBytes    = 1 * GiB
	// KeptQueryBytes is how big a connection's own input buffer may stay for a moment when it is empty; MinQueryBytes is how big it
	// is made at least, and what the next trim leaves of it. QueryIdleFor without a command, nothing is left.
	KeptQueryBytes = 1 * MiB
	MinQueryBytes  = 16 * KiB
	QueryIdleFor   = 2 * time.Second
	// MaxWatchedKeys is how many keys one connection may WATCH.
	MaxWatchedKeys = 1024 * 1024
)

// Scripts.
const (
	// MaxScriptBytes is the longest source of a script or library, MaxScriptNesting how deeply it may nest (as Lua 5.1 counts it) and
	// MaxScriptDepth the same for what Lua reads without nesting, a + b + c + …. MaxScriptConstants is how many constants a function may
	// name: compiling takes time that grows with the square.
	MaxScriptBytes     = 1 * MiB
	MaxScriptNesting   = 200
	MaxScriptDepth     = 10_000
	MaxScriptConstants = 16 * 1024
	// MaxScriptCalls is how deeply functions of Lua may call each other, MaxScriptRegisters how many values their variables may hold.
	MaxScriptCalls     = 20_000
	MaxScriptRegisters = 1024 * 1024
	// MaxScriptArray is up to which index a table keeps its elements in an array: one store to it allocates as much.
	MaxScriptArray = 4 * 1024 * 1024
	// MaxScriptStringBytes is the longest string that a script can make, MaxScriptMemory what it may take beyond what was in use before.
	MaxScriptStringBytes = MaxBulkBytesDefault
	MaxScriptMemory      = 1 * GiB
	// MaxEvalScripts is how many scripts that came by EVAL are kept. Source: Valkey 8.
	MaxEvalScripts = 500
	// MaxDebugWords, MaxDebugWordBytes and MaxDebugInputBytes bound what the client of a script's debugger sends: words of a command, the
	// length of one, and what waits. Source: Valkey 8.
	MaxDebugWords      = 1024
	MaxDebugWordBytes  = 1024
	MaxDebugInputBytes = 1 * MiB
	// MaxDebugBreakpoints is how many lines are breakpoints. Source: Valkey 8.
	MaxDebugBreakpoints = 64
	// MaxDebugValueBytes is how much the debugger shows of one value, MaxDebugLogBytes of all that happens between two stops.
	MaxDebugValueBytes = 1 * MiB
	MaxDebugLogBytes   = 8 * MiB
	// MaxDebugFrames is how far back the debugger follows calls.
	MaxDebugFrames = 1000
	// LibraryLoadTimeout is how long FUNCTION LOAD may run a library. Source: Redis 7.
	LibraryLoadTimeout = 500 * time.Millisecond
	// MaxLibraries is how many libraries of functions a node keeps.
	MaxLibraries = 16 * 1024
)

// What a node remembers of its commands.
const (
	// MaxCommandLogEntries bounds each command log whatever its max-len says; MaxCommandLogArgs and MaxCommandLogArgBytes what is
	// kept of a command. Source of the latter two: Redis' slow log.
	MaxCommandLogEntries  = 1 * MiB
	MaxCommandLogArgs     = 32
	MaxCommandLogArgBytes = 128
	// MaxLatencySamples is how many samples the latency monitor keeps of an event. Source: Redis.
	MaxLatencySamples = 160
	// MaxSubscriptions is how many channels and patterns one connection may be subscribed to, MaxTrackingPrefixes how many prefixes
	// one may have in the broadcasting mode of CLIENT TRACKING. PubSubStripes is how many locks the channels are spread over.
	MaxSubscriptions    = 4 * MaxMultibulkArgs
	MaxTrackingPrefixes = 4096
	PubSubStripes       = 64
	// TrackedKeysDefault is tracking-table-max-keys.
	TrackedKeysDefault = 1_000_000
	// MaxFeedBytes is how much others may have for a client (MONITOR's lines) that its loop has not taken yet.
	MaxFeedBytes = 64 * MiB
	// MaxMonitorsBytes is how much all monitors together may have that they do not read, each an equal share of it; but
	// MinMonitorBytes is everybody's. Who has more is cut.
	MaxMonitorsBytes = 64 * MiB
	MinMonitorBytes  = 1 * MiB
)

// TLS on a node.
const (
	// MaxTLSHandshakes is how many are under way at a time, TLSHandshakeTimeout how long one may take. When there are as many, one
	// that has not come to its end in TLSHandshakeGrace makes room for the next.
	MaxTLSHandshakes    = 512
	TLSHandshakeTimeout = 10 * time.Second
	TLSHandshakeGrace   = 1 * time.Second
	// MaxTLSRecordBytes is what a record holds at most. Source: RFC 8446, 5.1.
	MaxTLSRecordBytes = 16 * KiB
	// TLSChunkBytes is how much output is enciphered at a time: what a client that does not read has enciphered, at most.
	TLSChunkBytes = 64 * KiB
	// MaxTLSTailBytes is how much of a replica's feed may be enciphered and unsent.
	MaxTLSTailBytes = 1 * MiB
	// TLSConnBytes is roughly what the state of one TLS connection takes, its buffers apart.
	TLSConnBytes = 4 * KiB
	// MaxKeyIterations bounds the work that the password of a key file may ask for.
	MaxKeyIterations = 10_000_000
)

// The arena. A reference has ArenaRefBits bits and counts units of ArenaUnitBytes, and so reaches ArenaReachBytes.
const (
	ArenaRefBits    = 40
	ArenaUnitBytes  = 8
	ArenaReachBytes = (1 << ArenaRefBits) * ArenaUnitBytes
	// ArenaReserveBytes is the address space that a node reserves when maxmemory does not say how much it can need.
	ArenaReserveBytes = 1 * TiB
	// MinArenaReserveBytes is the least that is tried, by halving, where the system refuses more.
	MinArenaReserveBytes = 1 * GiB
)

// Keys and values.
const (
	// MaxKeyBytes is the longest key: an entry has 32 bits for its length. Redis' bound is that of any argument.
	MaxKeyBytes = 4*GiB - 1
	// MaxListpackBytes is the longest listpack: its header has 32 bits for the length. Source: LISTPACK_MAX_SAFETY_SIZE of Redis.
	MaxListpackBytes = 1 * GiB
	// MaxIntsetMembers is how many members an intset has at most. Source: intsetMaxEntries of Redis.
	MaxIntsetMembers = 1 << 30
	// MaxLocalExpiries is how many keys a writable replica watches itself, of those that clients gave an expiry there.
	MaxLocalExpiries = 1024 * 1024
	// MaxLCSCells is how many pairs of bytes LCS compares, whatever proto-max-bulk-len: its shards are held meanwhile, some 10 ms.
	// It is what Redis does by default, at four bytes a cell.
	MaxLCSCells = MaxBulkBytesDefault / 4
	// HLLSparseBytesDefault is hll-sparse-max-bytes: how long a sparse HyperLogLog becomes before it is made dense. Source: Redis.
	HLLSparseBytesDefault = 3000
	// MaxScanCount caps the COUNT of a SCAN, so that one call holds its shard for a bounded time.
	MaxScanCount = 100_000
	// MaxRandomElements is how many random elements, which may repeat, one call answers to a client whose output has no limit.
	MaxRandomElements = 16 * MiB
	// MaxPoppedAtOnce is how many members that SPOP took one SREM propagates. Source: Redis.
	MaxPoppedAtOnce = 1024
	// MaxElementsFreedAtOnce is how many elements of a collection are freed with its key; the rest is freed in slices.
	MaxElementsFreedAtOnce = 2048
	// LoadBatchElements and LoadBatchBytes are about how many elements of a collection that is loaded are added under one hold of its shard's lock.
	LoadBatchElements = 128
	LoadBatchBytes    = 32 * KiB
	// DefragLockHold is how long active defragmentation holds a shard at a time.
	DefragLockHold = 200 * time.Microsecond
	// HeapLookEvery is how often the size of Go's heap is looked at. What is not in use of HeapGrowthBytes more than the least is
	// given back once in HeapGiveBackEvery, or, while most of it is in use, HeapGiveBackWithin; HeapGrowthAtOnceBytes at once.
	HeapLookEvery         = 100 * time.Millisecond
	HeapGiveBackEvery     = 1 * time.Second
	HeapGiveBackWithin    = 30 * time.Second
	HeapGrowthBytes       = 16 * MiB
	HeapGrowthAtOnceBytes = 256 * MiB
	// FieldsExpiredAtOnce is how many fields of hashes one expiry cycle deletes before it lets go of the lock.
	FieldsExpiredAtOnce = 256
	// ActiveExpireEvery is how often a loop looks for expired keys.
	ActiveExpireEvery = 100 * time.Millisecond
)

// Snapshots and the journal.
const (
	// MaxHeldStreamBytes is how much a replica reads ahead of its primary's stream while a pause (CLIENT PAUSE) holds that back; more
	// stays with the primary.
	MaxHeldStreamBytes = 64 * MiB
	// MaxPreImageQueueBytes is how much may wait for a walker before writes are slowed down: each waits until there is less, or for SlowWriteWait.
	MaxPreImageQueueBytes = 64 * MiB
	// MinPreImageQueueBytes may wait however small the node is, and of a bigger one 1/PreImageQueueShare of its memory. A node that is
	// smaller than that never waits for a snapshot.
	MinPreImageQueueBytes = 10 * MiB
	PreImageQueueShare    = 32
	// PreImageHeadroomShare: 1/PreImageHeadroomShare more than that may wait; beyond, no write goes on.
	PreImageHeadroomShare = 2
	// PreImageQueueStep is how much less must wait before writers go on, at most.
	PreImageQueueStep = 256 * KiB
	// SlowWriteWait is how long a write waits for snapshots while they only slow it down. Who has waited for so long is looked for every SlowWriteLook.
	SlowWriteWait = 4 * time.Millisecond
	SlowWriteLook = 1 * time.Millisecond
	// WalkerShare is the part of a processor that a walker may take while the loops are busy: 1/WalkerShare.
	WalkerShare = 10
	// StalledSyncPatience is how long a replica may take nothing of its snapshot while writers wait for that; then it is cut.
	StalledSyncPatience = 1 * time.Second
	// AutoSyncBytes is how much of a snapshot is written before it is synced (rdb-save-incremental-fsync). While the disk is at it, up to
	// MaxUnsyncedBytes more are written.
	AutoSyncBytes    = 4 * MiB
	MaxUnsyncedBytes = 64 * MiB
	// MaxSyncSnapshots is how many snapshots for replicas are made at a time: others walk too, and a dict has room for a few.
	MaxSyncSnapshots = 1
	// WalkerLockHold is how long a snapshot's walker holds a shard at a time.
	WalkerLockHold = 200 * time.Microsecond
	// MaxRDBStringBytes is the longest string that a dump may announce; a longer one is corrupt data. It is what the arena can
	// hold, as proto-max-bulk-len, which bounds what can be stored, has no upper bound.
	MaxRDBStringBytes = ArenaReachBytes
	// RDBAllocStepBytes is how much is allocated ahead of the bytes really read, so that a false length costs nothing.
	RDBAllocStepBytes = 1 * MiB
	// MaxRDBAuxBytes is the longest name or value of a dump's auxiliary field.
	MaxRDBAuxBytes = 64 * KiB
	// MaxRDBFunctionBytes is the longest library in a dump.
	MaxRDBFunctionBytes = 64 * MiB
)

// Replication's times. Source: redis.conf of Redis 7.
const (
	ReplicaAckEvery       = 1 * time.Second
	ReplicaReconnectEvery = 1 * time.Second
	// RepeatedLogEvery is how often a link that fails for the same reason time and again says so.
	RepeatedLogEvery = 10 * time.Second
	// ReplicaHandshakeTimeout is how long a primary may take for each answer of the handshake.
	ReplicaHandshakeTimeout = 5 * time.Second
)

// MIGRATE. Source: cluster.c of Valkey 8.
const (
	// MigrateTimeoutDefault is for each read and write of a MIGRATE that names none; MaxMigrateTimeout the longest that can be named.
	MigrateTimeoutDefault = 1 * time.Second
	MaxMigrateTimeout     = 24 * time.Hour
	// MaxMigrateSockets connections are kept for MigrateSocketIdle, each, for the next MIGRATE to the same server.
	MaxMigrateSockets = 64
	MigrateSocketIdle = 10 * time.Second
	// MaxMigrateReplyBytes is the longest line of a target's answer; MigrateBatchKeys how many keys are sent before answers are read.
	MaxMigrateReplyBytes = 1 * KiB
	MigrateBatchKeys     = 1000
)

// The HTTP endpoint of the AWS API.
const (
	// MaxAPIBodyBytes is the longest request.
	MaxAPIBodyBytes = 1 * MiB
	// MaxAPIHeaderBytes is the longest header block, request line included.
	MaxAPIHeaderBytes = 64 * KiB
	// MaxAPIFormPairs is how many name=value pairs a Query request may hold.
	MaxAPIFormPairs = 20_000
	// MaxAPIDepth is how deeply structures may nest in a request.
	MaxAPIDepth = 16
	// APIHeaderTimeout, APIBodyTimeout, APIReplyTimeout and APIIdleTimeout are the server's four patience limits.
	APIHeaderTimeout = 10 * time.Second
	APIBodyTimeout   = 30 * time.Second
	APIReplyTimeout  = 60 * time.Second
	APIIdleTimeout   = 120 * time.Second
	// MaxAPIRequestsAtOnce is how many requests are worked on at a time; more wait for a place.
	MaxAPIRequestsAtOnce = 256
	// MaxClockSkew is how far a signature's date may be from ours. Source: AWS Signature Version 4.
	MaxClockSkew = 15 * time.Minute
	// MaxPresignExpiry is the longest life of a presigned request. Source: AWS Signature Version 4.
	MaxPresignExpiry = 7 * 24 * time.Hour
)

// Paging of the ElastiCache API (MaxRecords). Source: the API reference of each Describe operation.
const (
	MinPageRecords     = 20
	MaxPageRecords     = 100
	DefaultPageRecords = 100
	// MaxMarkerBytes is the longest Marker that is looked at.
	MaxMarkerBytes = 1 * KiB
)

// The ElastiCache API's own bounds. Source: the API reference.
const (
	MaxReplicasPerShard = 5
	MaxTagsPerResource  = 50
	MaxTagKeyRunes      = 128
	MaxTagValueRunes    = 256
	// MaxReplicationGroupIDRunes and MaxCacheClusterIDRunes are the longest identifiers.
	MaxReplicationGroupIDRunes = 40
	MaxCacheClusterIDRunes     = 50
	// EventRetention is how far back DescribeEvents reaches.
	EventRetention = 14 * 24 * time.Hour
)

// The control plane's store. etcd refuses requests over 1.5 MiB.
const (
	MaxMetaValueBytes = 1 * MiB
	MaxMetaRequest    = 1536 * KiB
	// MaxMetaTxnOps is how many operations one transaction may hold; etcd's own default is 128.
	MaxMetaTxnOps = 100
	// MaxMetaBytes is the store's quota.
	MaxMetaBytes = 2 * GiB
	// MetaTimeout is how long one request to the store may take.
	MetaTimeout = 5 * time.Second
	// LeaderLease is how long a planner that has died keeps others from planning.
	LeaderLease = 5 * time.Second
)

// The agent and its nodes.
const (
	// AdminTimeout is how long a node may take to answer an administrative command.
	AdminTimeout = 2 * time.Second
	// NodeStartTimeout is how long a node may take from its start to its first answer.
	NodeStartTimeout = 10 * time.Second
	// NodeStopTimeout is how long a node may take to save and end before it is killed.
	NodeStopTimeout = 60 * time.Second
	// MaxNodeLogBytes is the size at which a node's log is turned over; MaxNodeLogs how many are kept.
	MaxNodeLogBytes = 16 * MiB
	MaxNodeLogs     = 4
)
