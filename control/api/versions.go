package api

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"

	"github.com/larder-cache/larder/control/model"
)

func versionOperations() []Operation {
	return []Operation{
		handle(Operation{Service: elastiCache, Name: "DescribeCacheEngineVersions", Action: "elasticache:DescribeCacheEngineVersions",
			Resources: []string{"*"},
			Members: members(effect("Engine EngineVersion CacheParameterGroupFamily DefaultOnly", ""),
				effect(pageMembers, "pages of 20 to 100")),
		}, describeCacheEngineVersions),
	}
}

// shownVersion is the version that a request can ask for: from Redis 6 on without the patch.
func shownVersion(full string) string {
	if m := fullVersion.FindStringSubmatch(full); m != nil && (len(m[1]) > 1 || m[1] >= "6") {
		return m[1] + "." + m[2]
	}
	return full
}

// offeredVersions are the engine versions that can be asked for: of those with the same shown version, the newest.
func offeredVersions() []model.EngineVersion {
	var offered []model.EngineVersion
	for _, v := range model.EngineVersions() {
		last := len(offered) - 1
		if last >= 0 && offered[last].Engine == v.Engine && shownVersion(offered[last].Version) == shownVersion(v.Version) {
			offered[last] = v
			continue
		}
		offered = append(offered, v)
	}
	return offered
}

// numbered is a version with its place in the list, by which pages are cut.
type numbered struct {
	model.EngineVersion
	key string
}

func describeCacheEngineVersions(_ context.Context, _ *call, in *elasticache.DescribeCacheEngineVersionsInput) (*elasticache.DescribeCacheEngineVersionsOutput, error) {
	pager, err := newPager("DescribeCacheEngineVersions", in.MaxRecords, in.Marker)
	if err != nil {
		return nil, err
	}
	var found []numbered
	for i, v := range offeredVersions() {
		if asked(v, in) {
			found = append(found, numbered{v, fmt.Sprintf("%04d", i)})
		}
	}
	found, next := page(pager, found, func(n numbered) string { return n.key })
	out := &elasticache.DescribeCacheEngineVersionsOutput{Marker: next}
	for _, v := range found {
		out.CacheEngineVersions = append(out.CacheEngineVersions, types.CacheEngineVersion{
			Engine: new(v.Engine), EngineVersion: new(shownVersion(v.Version)), CacheParameterGroupFamily: new(v.Family),
			CacheEngineDescription: new(v.EngineDescription), CacheEngineVersionDescription: new(v.Description)})
	}
	return out, nil
}

// asked reports whether the version is one that the request asks for. The default of an engine is one version, that of a
// family another.
func asked(v model.EngineVersion, in *elasticache.DescribeCacheEngineVersionsInput) bool {
	version, family := value(in.EngineVersion), value(in.CacheParameterGroupFamily)
	switch {
	case in.Engine != nil && !strings.EqualFold(*in.Engine, v.Engine),
		version != "" && version != v.Version && version != shownVersion(v.Version),
		family != "" && !strings.EqualFold(family, v.Family):
		return false
	case !value(in.DefaultOnly):
		return true
	case version != "" || family != "":
		return v.Default
	}
	newest, ok := model.LookupEngineVersion(v.Engine, "")
	return ok && newest.Version == v.Version
}
