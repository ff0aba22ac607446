package model

import "slices"

// NodeType is a size of cache node that AWS offers.
type NodeType struct {
	Name string // such as cache.t3.micro
	// MaxMemory is its maxmemory in bytes.
	MaxMemory int64
	// ValkeyOnly: AWS lists it for Valkey and not for Redis OSS.
	ValkeyOnly bool
}

// LookupNodeType returns the node type of that name, and whether AWS offers it today. Types of previous generations
// (t1, m1 to m3, c1, r3), on which new clusters cannot be created, are not among them.
func LookupNodeType(name string) (NodeType, bool) {
	i := slices.IndexFunc(nodeTypes[:], func(t NodeType) bool { return t.Name == name })
	if i < 0 {
		return NodeType{}, false
	}
	return nodeTypes[i], true
}

// NodeTypes returns all of them, family by family, each from small to large.
func NodeTypes() []NodeType { return slices.Clone(nodeTypes[:]) }

// nodeTypes. Source: the user guide, "Engine specific parameters", the tables of node-type specific maxmemory for Valkey
// and Redis OSS, as of 2025.
var nodeTypes = [...]NodeType{
	{Name: "cache.t2.micro", MaxMemory: 581_959_680},
	{Name: "cache.t2.small", MaxMemory: 1_665_138_688},
	{Name: "cache.t2.medium", MaxMemory: 3_461_349_376},
	{Name: "cache.t3.micro", MaxMemory: 536_870_912},
	{Name: "cache.t3.small", MaxMemory: 1_471_026_299},
	{Name: "cache.t3.medium", MaxMemory: 3_317_862_236},
	{Name: "cache.t4g.micro", MaxMemory: 536_870_912},
	{Name: "cache.t4g.small", MaxMemory: 1_471_026_299},
	{Name: "cache.t4g.medium", MaxMemory: 3_317_862_236},
	{Name: "cache.m4.large", MaxMemory: 6_892_593_152},
	{Name: "cache.m4.xlarge", MaxMemory: 15_328_501_760},
	{Name: "cache.m4.2xlarge", MaxMemory: 31_889_126_359},
	{Name: "cache.m4.4xlarge", MaxMemory: 65_257_290_629},
	{Name: "cache.m4.10xlarge", MaxMemory: 166_047_614_239},
	{Name: "cache.m5.large", MaxMemory: 6_854_542_746},
	{Name: "cache.m5.xlarge", MaxMemory: 13_891_921_715},
	{Name: "cache.m5.2xlarge", MaxMemory: 27_966_669_210},
	{Name: "cache.m5.4xlarge", MaxMemory: 56_116_178_125},
	{Name: "cache.m5.12xlarge", MaxMemory: 168_715_971_994},
	{Name: "cache.m5.24xlarge", MaxMemory: 337_500_562_842},
	{Name: "cache.m6g.large", MaxMemory: 6_854_542_746},
	{Name: "cache.m6g.xlarge", MaxMemory: 13_891_921_715},
	{Name: "cache.m6g.2xlarge", MaxMemory: 27_966_669_210},
	{Name: "cache.m6g.4xlarge", MaxMemory: 56_116_178_125},
	{Name: "cache.m6g.8xlarge", MaxMemory: 111_325_552_312},
	{Name: "cache.m6g.12xlarge", MaxMemory: 168_715_971_994},
	{Name: "cache.m6g.16xlarge", MaxMemory: 225_000_375_228},
	{Name: "cache.m7g.large", MaxMemory: 6_854_542_746},
	{Name: "cache.m7g.xlarge", MaxMemory: 13_891_921_715},
	{Name: "cache.m7g.2xlarge", MaxMemory: 27_966_669_210},
	{Name: "cache.m7g.4xlarge", MaxMemory: 56_116_178_125},
	{Name: "cache.m7g.8xlarge", MaxMemory: 111_325_552_312},
	{Name: "cache.m7g.12xlarge", MaxMemory: 168_715_971_994},
	{Name: "cache.m7g.16xlarge", MaxMemory: 225_000_375_228},
	{Name: "cache.m8g.large", MaxMemory: 7_294_178_820, ValkeyOnly: true},
	{Name: "cache.m8g.xlarge", MaxMemory: 15_222_495_510, ValkeyOnly: true},
	{Name: "cache.m8g.2xlarge", MaxMemory: 31_866_224_640, ValkeyOnly: true},
	{Name: "cache.m8g.4xlarge", MaxMemory: 65_856_864_256, ValkeyOnly: true},
	{Name: "cache.m8g.8xlarge", MaxMemory: 133_838_143_488, ValkeyOnly: true},
	{Name: "cache.m8g.12xlarge", MaxMemory: 201_819_422_720, ValkeyOnly: true},
	{Name: "cache.m8g.16xlarge", MaxMemory: 269_800_701_952, ValkeyOnly: true},
	{Name: "cache.r4.large", MaxMemory: 13_201_781_556},
	{Name: "cache.r4.xlarge", MaxMemory: 26_898_228_839},
	{Name: "cache.r4.2xlarge", MaxMemory: 54_197_537_997},
	{Name: "cache.r4.4xlarge", MaxMemory: 108_858_546_586},
	{Name: "cache.r4.8xlarge", MaxMemory: 218_255_432_090},
	{Name: "cache.r4.16xlarge", MaxMemory: 437_021_573_120},
	{Name: "cache.r5.large", MaxMemory: 14_037_181_030},
	{Name: "cache.r5.xlarge", MaxMemory: 28_261_849_702},
	{Name: "cache.r5.2xlarge", MaxMemory: 56_711_183_565},
	{Name: "cache.r5.4xlarge", MaxMemory: 113_609_865_216},
	{Name: "cache.r5.12xlarge", MaxMemory: 341_206_346_547},
	{Name: "cache.r5.24xlarge", MaxMemory: 682_485_973_811},
	{Name: "cache.r6g.large", MaxMemory: 14_037_181_030},
	{Name: "cache.r6g.xlarge", MaxMemory: 28_261_849_702},
	{Name: "cache.r6g.2xlarge", MaxMemory: 56_711_183_565},
	{Name: "cache.r6g.4xlarge", MaxMemory: 113_609_865_216},
	{Name: "cache.r6g.8xlarge", MaxMemory: 225_000_375_228},
	{Name: "cache.r6g.12xlarge", MaxMemory: 341_206_346_547},
	{Name: "cache.r6g.16xlarge", MaxMemory: 450_000_750_456},
	{Name: "cache.r6gd.xlarge", MaxMemory: 28_261_849_702},
	{Name: "cache.r6gd.2xlarge", MaxMemory: 56_711_183_565},
	{Name: "cache.r6gd.4xlarge", MaxMemory: 113_609_865_216},
	{Name: "cache.r6gd.8xlarge", MaxMemory: 225_000_375_228},
	{Name: "cache.r6gd.12xlarge", MaxMemory: 341_206_346_547},
	{Name: "cache.r6gd.16xlarge", MaxMemory: 450_000_750_456},
	{Name: "cache.r7g.large", MaxMemory: 14_037_181_030},
	{Name: "cache.r7g.xlarge", MaxMemory: 28_261_849_702},
	{Name: "cache.r7g.2xlarge", MaxMemory: 56_711_183_565},
	{Name: "cache.r7g.4xlarge", MaxMemory: 113_609_865_216},
	{Name: "cache.r7g.8xlarge", MaxMemory: 225_000_375_228},
	{Name: "cache.r7g.12xlarge", MaxMemory: 341_206_346_547},
	{Name: "cache.r7g.16xlarge", MaxMemory: 450_000_750_456},
	{Name: "cache.r8g.large", MaxMemory: 15_222_495_510, ValkeyOnly: true},
	{Name: "cache.r8g.xlarge", MaxMemory: 31_866_224_640, ValkeyOnly: true},
	{Name: "cache.r8g.2xlarge", MaxMemory: 65_856_864_256, ValkeyOnly: true},
	{Name: "cache.r8g.4xlarge", MaxMemory: 133_838_143_488, ValkeyOnly: true},
	{Name: "cache.r8g.8xlarge", MaxMemory: 269_800_701_952, ValkeyOnly: true},
	{Name: "cache.r8g.12xlarge", MaxMemory: 405_763_260_416, ValkeyOnly: true},
	{Name: "cache.r8g.16xlarge", MaxMemory: 541_725_818_880, ValkeyOnly: true},
	{Name: "cache.c7gn.large", MaxMemory: 3_317_862_236},
	{Name: "cache.c7gn.xlarge", MaxMemory: 6_854_542_746},
	{Name: "cache.c7gn.2xlarge", MaxMemory: 13_891_921_715},
	{Name: "cache.c7gn.4xlarge", MaxMemory: 27_966_669_210},
	{Name: "cache.c7gn.8xlarge", MaxMemory: 56_116_178_125},
	{Name: "cache.c7gn.12xlarge", MaxMemory: 84_357_985_997},
	{Name: "cache.c7gn.16xlarge", MaxMemory: 113_609_865_216},
	{Name: "cache.c8gn.large", MaxMemory: 3_330_020_474, ValkeyOnly: true},
	{Name: "cache.c8gn.xlarge", MaxMemory: 7_294_178_820, ValkeyOnly: true},
	{Name: "cache.c8gn.2xlarge", MaxMemory: 15_222_495_510, ValkeyOnly: true},
	{Name: "cache.c8gn.4xlarge", MaxMemory: 31_866_224_640, ValkeyOnly: true},
	{Name: "cache.c8gn.8xlarge", MaxMemory: 65_856_864_256, ValkeyOnly: true},
	{Name: "cache.c8gn.12xlarge", MaxMemory: 99_847_503_872, ValkeyOnly: true},
	{Name: "cache.c8gn.16xlarge", MaxMemory: 133_838_143_488, ValkeyOnly: true},
}
