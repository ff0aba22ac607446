package model

import (
	"slices"
	"strings"
)

// EngineVersion is an engine that larder's nodes can be asked to be.
type EngineVersion struct {
	Engine  string // redis or valkey
	Version string // full, such as 7.1.0
	Family  string // parameter group family, such as redis7
	// Description is CacheEngineVersionDescription, EngineDescription CacheEngineDescription of DescribeCacheEngineVersions.
	Description       string
	EngineDescription string
	// Default: what a request without a version gets; one per engine and family.
	Default bool
}

// DefaultParameterGroup is the name of the family's parameter group that exists without being created.
func (v EngineVersion) DefaultParameterGroup() string { return "default." + v.Family }

// EngineVersions returns those offered: by engine, oldest version first.
func EngineVersions() []EngineVersion { return slices.Clone(engineVersions[:]) }

// LookupEngineVersion finds what a request's Engine and EngineVersion name. An empty version is the engine's newest
// default; a prefix of a version, such as 7 or 7.1 or AWS' 6.x, is the newest that it fits.
func LookupEngineVersion(engine, version string) (EngineVersion, bool) {
	prefix := strings.TrimSuffix(version, ".x")
	for _, v := range slices.Backward(engineVersions[:]) {
		if v.Engine != engine {
			continue
		}
		if version == "" && v.Default || version == v.Version || version != "" && strings.HasPrefix(v.Version, prefix+".") {
			return v, true
		}
	}
	return EngineVersion{}, false
}

// ParameterGroupFamily returns the engine and default version of a family, and whether it is offered.
func ParameterGroupFamily(family string) (EngineVersion, bool) {
	for _, v := range slices.Backward(engineVersions[:]) {
		if v.Family == family {
			return v, true
		}
	}
	return EngineVersion{}, false
}

// engineVersions. Source: the user guide, "Supported engine versions", and DescribeCacheEngineVersions.
var engineVersions = [...]EngineVersion{
	redisVersion("4.0.10", "redis4.0", true),
	redisVersion("5.0.0", "redis5.0", false),
	redisVersion("5.0.3", "redis5.0", false),
	redisVersion("5.0.4", "redis5.0", false),
	redisVersion("5.0.5", "redis5.0", false),
	redisVersion("5.0.6", "redis5.0", true),
	redisVersion("6.0.5", "redis6.x", false),
	redisVersion("6.2.6", "redis6.x", true),
	redisVersion("7.0.7", "redis7", false),
	redisVersion("7.1.0", "redis7", true),
	valkeyVersion("7.2.6", "valkey7", true),
	valkeyVersion("8.0.1", "valkey8", false),
	valkeyVersion("8.1.0", "valkey8", true),
}

func redisVersion(version, family string, isDefault bool) EngineVersion {
	return EngineVersion{Engine: EngineRedis, Version: version, Family: family, EngineDescription: "Redis",
		Description: "redis version " + version, Default: isDefault}
}

func valkeyVersion(version, family string, isDefault bool) EngineVersion {
	return EngineVersion{Engine: EngineValkey, Version: version, Family: family, EngineDescription: "Valkey",
		Description: "valkey version " + version, Default: isDefault}
}
